// [m] StatusServer: port 15020, probes, merged metrics, drain and quit (istio-contract §6.4). Istio: pilot-agent/status/server.go.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { Logger } from '../../proxy/base/logger.ts';
import { createServer } from '../../proxy/base/lean-http.ts';
import type { AppProber } from '../pod-annotations.ts';
import type { AppProbe } from './app-probe.ts';
import { ConnectionBound } from './connection-bound.ts';
import type { DebugPages } from './debug-pages.ts';
import type { MetricsMerger, ScrapeRequest } from './metrics-merger.ts';
import { PriorKnowledge } from './prior-knowledge.ts';
import type { Readiness } from './readiness.ts';

export interface StatusServerParts {
  readonly readiness: Readiness;
  readonly merger: MetricsMerger;
  /** METRICS_LOCALHOST_ACCESS_ONLY. */
  readonly metricsForLocalOnly: boolean;
  readonly probe: AppProbe;
  readonly probers: ReadonlyMap<string, AppProber>;
  readonly logger: Logger;
  readonly onDrain: () => Promise<void>;
  readonly onQuit: () => void;
  /** What a person should know though the pod is ready; undefined: nothing. */
  readonly warning: () => string | undefined;
  /** JSON for /debug/ndsz. */
  readonly nameTableJson: () => string;
  /** `--profiling`: /debug/pprof/ answers. */
  readonly profiling: boolean;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  query: string,
) => void | Promise<void>;

const PPROF_PREFIX = '/debug/pprof/';
/** The body stays empty, as probes know it. */
const WARNING_HEADER = 'x-outrigger-warning';
const NOT_IN_HEADER = /[^\x20-\x7e]/g;
const MAX_WARNING_CHARS = 500;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 512;

function answer(response: ServerResponse, status: number, body: string | Buffer = ''): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

function isLocal(request: IncomingMessage): boolean {
  const address = request.socket.remoteAddress ?? '';
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}

/** Mutating calls: POST, and from this machine or pod alone. */
function mayChange(request: IncomingMessage, response: ServerResponse): boolean {
  if (!isLocal(request)) {
    answer(response, 403, 'Only requests from localhost are allowed\n');
    return false;
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    answer(response, 405, 'Method Not Allowed\n');
    return false;
  }
  return true;
}

/** Aborted when the caller goes without its answer: a hook may take as long as the pod's grace period. */
function goneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
}

const headerText = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

export class StatusServer {
  readonly #parts: StatusServerParts;
  readonly #server: Server;
  readonly #http2: PriorKnowledge;
  readonly #bound = new ConnectionBound(MAX_CONNECTIONS);
  readonly #handlers: ReadonlyMap<string, Handler>;
  /** So that the log tells of changes, not of every probe. */
  #lastReason: string | undefined = '';
  #debugPages: DebugPages | undefined;

  constructor(parts: StatusServerParts) {
    this.#parts = parts;
    this.#handlers = new Map<string, Handler>([
      ['/healthz/ready', (_, response) => this.#ready(response)],
      ['/stats/prometheus', (request, response, query) => this.#metrics(request, response, query)],
      ['/metrics', (request, response, query) => this.#metrics(request, response, query)],
      ['/quitquitquit', (request, response) => this.#quit(request, response)],
      ['/drain', (request, response) => this.#drain(request, response)],
      ['/debug/ndsz', (request, response) => this.#nameTable(request, response)],
    ]);
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      this.#route(request, response);
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: 10_000,
        requestTimeout: 30_000,
        keepAliveTimeout: 30_000,
      },
      onRequest,
    );
    this.#http2 = new PriorKnowledge(this.#server, onRequest);
    this.#server.on('connection', (socket: Socket) => this.#bound.add(socket));
  }

  /** Rejects with the operator's words where the port is taken. Resolves with the port in use. */
  listen(address: ListenAddress): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const place = `status server on ${address.host}:${address.port}`;
        const hint = error.code === 'EADDRINUSE' ? '; choose another ProxyConfig.statusPort' : '';
        reject(new Error(`${place}: ${error.message}${hint}`, { cause: error }));
      });
      this.#server.listen(address.port, address.host, () => {
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port);
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#http2.close();
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    response.on('error', () => {});
    const { socket } = request;
    this.#bound.asks(socket);
    response.once('close', () => this.#bound.answered(socket));
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark);
    const handler = this.#handlers.get(path) ?? this.#handlerBelow(path);
    const run = async (): Promise<void> => handler(request, response, query);
    run().catch((error: unknown) => {
      this.#parts.logger.error(`status request failed: ${(error as Error).message}`, { path });
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'Internal Server Error\n');
    });
  }

  #handlerBelow(path: string): Handler {
    if (this.#parts.profiling && path.startsWith(PPROF_PREFIX)) {
      const name = path.slice(PPROF_PREFIX.length);
      return (request, response, query) => this.#debug(request, response, { name, query });
    }
    if (!path.startsWith('/app-health/') && !path.startsWith('/app-lifecycle/')) {
      return (_, response) => answer(response, 404, '404 page not found\n');
    }
    const prober = this.#parts.probers.get(path);
    if (prober === undefined) {
      return (_, response) =>
        answer(response, 400, `app prober config does not exists for ${path}`);
    }
    return async (request, response) => {
      const { headersDistinct } = request;
      const outcome = await this.#parts.probe.run(prober, {
        headersDistinct,
        signal: goneSignal(response),
      });
      if (outcome.problem !== undefined)
        this.#parts.logger.warn(`app probe failed: ${outcome.problem}`, { path });
      answer(response, outcome.status, outcome.body);
    };
  }

  async #ready(response: ServerResponse): Promise<void> {
    const reason = await this.#parts.readiness.check();
    if (reason !== this.#lastReason) {
      this.#lastReason = reason;
      if (reason === undefined) this.#parts.logger.info('Envoy proxy is ready');
      else this.#parts.logger.warn(`Envoy proxy is NOT ready: ${reason}`);
    }
    const warning = this.#parts.warning();
    if (warning !== undefined) {
      const text = warning.slice(0, MAX_WARNING_CHARS).replace(NOT_IN_HEADER, '?');
      response.setHeader(WARNING_HEADER, text);
    }
    response.writeHead(reason === undefined ? 200 : 503);
    response.end();
  }

  async #metrics(request: IncomingMessage, response: ServerResponse, query: string): Promise<void> {
    if (this.#parts.metricsForLocalOnly && !isLocal(request)) {
      answer(response, 403, 'Only requests from localhost are allowed\n');
      return;
    }
    const { headers } = request;
    const scrape: ScrapeRequest = {
      query,
      accept: headers.accept,
      acceptEncoding: headerText(headers['accept-encoding']),
      userAgent: headers['user-agent'],
      timeoutSeconds: headerText(headers['x-prometheus-scrape-timeout-seconds']),
    };
    await this.#parts.merger.scrape(scrape, response);
  }

  #quit(request: IncomingMessage, response: ServerResponse): void {
    if (!mayChange(request, response)) return;
    this.#parts.logger.info('asked to quit by /quitquitquit');
    response.once('close', () => this.#parts.onQuit());
    response.setHeader('connection', 'close');
    answer(response, 200, 'OK');
  }

  async #drain(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!mayChange(request, response)) return;
    this.#parts.logger.info('asked to drain by /drain');
    await this.#parts.onDrain();
    answer(response, 200, 'OK');
  }

  async #debug(
    request: IncomingMessage,
    response: ServerResponse,
    { name, query }: { readonly name: string; readonly query: string },
  ): Promise<void> {
    if (!isLocal(request)) {
      answer(response, 403, 'Only requests from localhost are allowed\n');
      return;
    }
    const signal = goneSignal(response);
    this.#debugPages ??= new (await import('./debug-pages.ts')).DebugPages();
    await this.#debugPages.answer(name, new URLSearchParams(query), { response, signal });
  }

  #nameTable(request: IncomingMessage, response: ServerResponse): void {
    if (!isLocal(request)) {
      answer(response, 403, 'Only requests from localhost are allowed\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(this.#parts.nameTableJson());
  }
}
