// [m] MetricsMerger: agent, proxy and app in one scrape, each bounded in size and time (istio-contract §6.7).
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

import type { Logger } from '../../proxy/base/logger.ts';
import type { AgentMetrics, ScrapePart } from '../agent-metrics.ts';
import { openHttp } from '../http-client.ts';
import type { HttpTarget } from '../http-client.ts';

export interface ScrapeEndpoint {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface MetricsMergerParts {
  readonly metrics: AgentMetrics;
  /** Undefined: not merged. */
  readonly proxy: ScrapeEndpoint | undefined;
  readonly app: ScrapeEndpoint | undefined;
  readonly logger: Logger;
  readonly limits: MergeLimits;
}

export interface MergeLimits {
  readonly maxProxyBytes: number;
  readonly maxAppBytes: number;
  /** For one whole scrape, where the caller names no other. */
  readonly timeoutMs: number;
}

/** App: as stock. Proxy: a mesh of ten thousand clusters stays below it. */
export const DEFAULT_MERGE_LIMITS: MergeLimits = {
  maxProxyBytes: 268_435_456,
  maxAppBytes: 10_485_760,
  timeoutMs: 10_000,
};

export interface ScrapeRequest {
  /** With its `?`, or empty; goes to the proxy. */
  readonly query: string;
  readonly accept: string | undefined;
  /** X-Prometheus-Scrape-Timeout-Seconds. */
  readonly timeoutSeconds: string | undefined;
}

/** Where the merged text goes; an http.ServerResponse fits. */
export interface ScrapeSink {
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  write(chunk: Buffer | string): boolean;
  end(): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'close', listener: () => void): unknown;
  readonly destroyed: boolean;
}

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_METRICS = 'application/openmetrics-text';
const MAX_TIMEOUT_MS = 300_000;
const NEWLINE = 0x0a;

function timeoutMsOf(request: ScrapeRequest, fallbackMs: number): number {
  const text = request.timeoutSeconds;
  if (text === undefined || !/^[0-9]{1,6}(?:\.[0-9]{1,9})?$/.test(text)) return fallbackMs;
  return Math.min(Math.max(Number(text) * 1000, 1), MAX_TIMEOUT_MS);
}

/** Resolves when the sink takes more, or is gone. */
function writable(sink: ScrapeSink): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sink.removeListener('drain', done);
      sink.removeListener('close', done);
      resolve();
    };
    sink.once('drain', done);
    sink.once('close', done);
  });
}

async function send(sink: ScrapeSink, chunk: Buffer | string): Promise<void> {
  if (sink.destroyed) throw new Error('the scraper went away');
  if (!sink.write(chunk)) await writable(sink);
}

/** Copies whole lines only: a cut or broken source must not leave half a line before the next part. */
async function copyLines(
  source: IncomingMessage,
  sink: ScrapeSink,
  maxBytes: number,
): Promise<void> {
  let rest: Buffer[] = [];
  let copied = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    copied += chunk.length;
    if (copied > maxBytes) throw new Error(`longer than ${maxBytes} bytes`);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest.push(chunk);
      continue;
    }
    for (const piece of rest) await send(sink, piece);
    await send(sink, chunk.subarray(0, end));
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  }
  if (rest.length > 0) {
    for (const piece of rest) await send(sink, piece);
    await send(sink, '\n');
  }
}

export class MetricsMerger {
  readonly #parts: MetricsMergerParts;

  constructor(parts: MetricsMergerParts) {
    this.#parts = parts;
  }

  /** Always answers 200; a part that fails is counted and left out from there on. */
  async scrape(request: ScrapeRequest, sink: ScrapeSink): Promise<void> {
    const { metrics, proxy, app, limits } = this.#parts;
    metrics.scrapes.inc();
    const timeoutMs = timeoutMsOf(request, limits.timeoutMs);
    const signal = AbortSignal.timeout(timeoutMs);
    const proxyPath = proxy === undefined ? '' : proxy.path + request.query;
    const appHeaders: OutgoingHttpHeaders = {
      'x-prometheus-scrape-timeout-seconds': String(timeoutMs / 1000),
    };
    if (request.accept !== undefined) appHeaders['accept'] = request.accept;
    const [proxyAnswer, appAnswer] = await Promise.all([
      this.#open('envoy', proxy, { path: proxyPath, headers: {}, signal, timeoutMs }),
      this.#open('application', app, {
        path: app?.path ?? '',
        headers: appHeaders,
        signal,
        timeoutMs,
      }),
    ]);
    const appType = appAnswer?.headers['content-type'] ?? '';
    sink.writeHead(200, {
      'content-type': appType.startsWith(OPEN_METRICS) ? appType : TEXT_FORMAT,
    });
    await this.#part('agent', async () => send(sink, await metrics.text()));
    if (proxyAnswer !== undefined) {
      await this.#part('envoy', () => copyLines(proxyAnswer, sink, limits.maxProxyBytes));
      proxyAnswer.destroy();
    }
    // Last, since OpenMetrics ends with its `# EOF`.
    if (appAnswer !== undefined) {
      await this.#part('application', () => copyLines(appAnswer, sink, limits.maxAppBytes));
      appAnswer.destroy();
    }
    sink.end();
  }

  async #open(
    part: ScrapePart,
    endpoint: ScrapeEndpoint | undefined,
    request: Pick<HttpTarget, 'headers' | 'path' | 'timeoutMs'> & { readonly signal: AbortSignal },
  ): Promise<IncomingMessage | undefined> {
    if (endpoint === undefined) return undefined;
    const { host, port } = endpoint;
    let answer: IncomingMessage | undefined;
    await this.#part(part, async () => {
      const opened = await openHttp({ ...request, host, port, method: 'GET' });
      // A failure while another part is being copied must not go unheard.
      opened.on('error', () => {});
      if (opened.statusCode === 200) {
        answer = opened;
        return;
      }
      opened.destroy();
      throw new Error(`answered ${opened.statusCode}`);
    });
    return answer;
  }

  async #part(part: ScrapePart, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#parts.metrics.scrapeFailed(part);
      this.#parts.logger.warn(`failed to scrape ${part} metrics: ${(error as Error).message}`);
    }
  }
}
