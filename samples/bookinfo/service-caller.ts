// One service's calls to another: keep-alive, a deadline, and the headers that tie the hops of one request together.
import { Agent, request as startRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import type { LookupFunction } from 'node:net';

import type { ServiceOptions } from './service-options.ts';

export interface CallResult {
  /** 0: no answer came; `body` then says why. */
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  readonly elapsedMs: number;
}

/** A sidecar sees single requests; only the application knows which of its calls belong to which of its callers. */
const PASSED_ON = [
  'x-request-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-ot-span-context',
  'baggage',
  'end-user',
] as const;

const MAX_BODY_BYTES = 1_048_576;

export function headersToPassOn(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

export class ServiceCaller {
  readonly #options: ServiceOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #lookup: LookupFunction;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#lookup = (host, lookupOptions, done) => {
      const address = options.hosts.get(host);
      if (address === undefined) {
        done(
          new Error(`no address is known for ${host}; give one with --resolve ${host}=ADDRESS`),
          '',
          4,
        );
        return;
      }
      const family = isIPv6(address) ? 6 : 4;
      if (lookupOptions.all === true) done(null, [{ address, family }]);
      else done(null, address, family);
    };
  }

  /** Never rejects: a failure is a result with status 0. */
  call(
    service: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<CallResult> {
    const base = this.#options.upstreams.get(service);
    if (base === undefined) throw new Error(`no upstream is called ${service}`);
    const startedMs = performance.now();
    return new Promise((resolve) => {
      const finish = (status: number, body: string, answered: IncomingHttpHeaders = {}): void =>
        resolve({
          status,
          body,
          headers: answered,
          elapsedMs: Math.round(performance.now() - startedMs),
        });
      const outgoing = startRequest({
        host: base.hostname,
        port: base.port === '' ? 80 : Number(base.port),
        path,
        headers: { ...headers, host: base.host },
        agent: this.#agent,
        signal: AbortSignal.timeout(this.#options.callTimeoutMs),
        // Without a table of hosts the system's resolver is asked, as in a cluster.
        ...(this.#options.hosts.size > 0 ? { lookup: this.#lookup } : {}),
      });
      outgoing.on('response', (response) => collect(response, finish));
      outgoing.on('error', (error) =>
        finish(0, describe(error, service, this.#options.callTimeoutMs)),
      );
      outgoing.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

type Finish = (status: number, body: string, headers?: IncomingHttpHeaders) => void;

function collect(response: IncomingMessage, finish: Finish): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      response.destroy(new Error(`the answer is longer than ${MAX_BODY_BYTES} bytes`));
    else chunks.push(chunk);
  });
  response.on('end', () =>
    finish(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'), response.headers),
  );
  response.on('error', (error) => finish(0, error.message));
}

function describe(error: Error, service: string, timeoutMs: number): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ABORT_ERR' || error.name === 'TimeoutError')
    return `${service} did not answer within ${timeoutMs} ms`;
  if (code === 'ECONNREFUSED') return `${service} refused the connection`;
  return error.message;
}
