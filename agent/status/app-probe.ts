// [m] AppProbe: the kubelet's probes, handed on to the app from an address that iptables lets through (istio-contract §6.6).
import { isIPv6 } from 'node:net';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type * as net from 'node:net';

import { fetchBounded } from '../http-client.ts';
import type { HttpAnswer, HttpFailure } from '../http-client.ts';
import type { AppProber, ProbeAction } from '../pod-annotations.ts';

export interface ProbeAnswer {
  readonly status: number;
  readonly body: Buffer | string;
  /** For the log, where the app could not be asked. */
  readonly problem?: string;
}

type HttpAction = Extract<ProbeAction, { kind: 'http' }>;

const MAX_BODY_BYTES = 10_240;
const MAX_REDIRECTS = 10;
const PASSTHROUGH_V4 = '127.0.0.6';
const PASSTHROUGH_V6 = '::6';

/** RFC 9110 §7.6.1, and what the new request sets itself. */
const NOT_COPIED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const failed = (problem: string): ProbeAnswer => ({ status: 500, body: '', problem });

function copyHeaders(incoming: IncomingHttpHeaders, action: HttpAction): OutgoingHttpHeaders {
  const headers = Object.create(null) as OutgoingHttpHeaders;
  for (const [name, value] of Object.entries(incoming)) {
    if (value !== undefined && !NOT_COPIED.has(name)) headers[name] = value;
  }
  const hostName = (incoming.host ?? 'localhost').replace(/:[0-9]*$/, '');
  headers['host'] = `${hostName}:${action.port}`;
  headers['connection'] = 'close';
  return headers;
}

/** The next path where a redirect stays on this host; undefined: Kubernetes takes the redirect for success. */
function redirectPath(answer: HttpAnswer, host: string, path: string): string | undefined {
  const { location } = answer.headers;
  if (location === undefined) return undefined;
  const here = `http://${host}`;
  if (!URL.canParse(location, here + path)) return undefined;
  const next = new URL(location, here + path);
  return next.host === new URL(here).host ? next.pathname + next.search : undefined;
}

export class AppProbe {
  readonly #host: string;

  /** `host`: the pod's address, or `localhost` for apps that listen there alone. */
  constructor(host: string) {
    this.#host = host;
  }

  #sourceAddress(): string {
    return isIPv6(this.#host) ? PASSTHROUGH_V6 : PASSTHROUGH_V4;
  }

  /** `headers`: of the kubelet's request. */
  run(prober: AppProber, headers: IncomingHttpHeaders): Promise<ProbeAnswer> {
    const { action } = prober;
    switch (action.kind) {
      case 'http':
        return this.#probeHttp(action, prober.timeoutMs, headers);
      case 'tcp':
        return this.#probeTcp(action.port, prober.timeoutMs);
      case 'grpc':
        return this.#probeGrpc(action.port, action.service, prober.timeoutMs);
    }
  }

  async #probeHttp(
    action: HttpAction,
    timeoutMs: number,
    incoming: IncomingHttpHeaders,
  ): Promise<ProbeAnswer> {
    const headers = copyHeaders(incoming, action);
    const endsAt = performance.now() + timeoutMs;
    let path = action.path;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const leftMs = Math.max(1, Math.ceil(endsAt - performance.now()));
      const answer = await this.#get(action, path, headers, leftMs);
      if (!answer.ok) return failed(answer.reason);
      if (answer.status < 300 || answer.status > 399)
        return { status: answer.status, body: answer.body };
      const next = redirectPath(answer, String(headers['host']), path);
      if (next === undefined) return { status: 200, body: '' };
      path = next;
    }
    return failed(`more than ${MAX_REDIRECTS} redirects`);
  }

  #get(
    action: HttpAction,
    path: string,
    headers: OutgoingHttpHeaders,
    timeoutMs: number,
  ): Promise<HttpAnswer | HttpFailure> {
    const { scheme, port } = action;
    const localAddress = this.#sourceAddress();
    const target = {
      scheme,
      host: this.#host,
      port,
      method: 'GET',
      path,
      headers,
      localAddress,
      timeoutMs,
    };
    return fetchBounded(target, MAX_BODY_BYTES);
  }

  #connectOptions(port: number): net.TcpNetConnectOpts {
    return { host: this.#host, port, localAddress: this.#sourceAddress() };
  }

  async #probeTcp(port: number, timeoutMs: number): Promise<ProbeAnswer> {
    const { connect } = await import('node:net');
    return new Promise((resolve) => {
      const socket = connect({ ...this.#connectOptions(port), timeout: timeoutMs });
      const done = (answer: ProbeAnswer): void => {
        socket.destroy();
        resolve(answer);
      };
      socket.once('connect', () => done({ status: 200, body: '' }));
      socket.once('timeout', () => done(failed(`no connection within ${timeoutMs} ms`)));
      socket.once('error', (error) => done(failed(error.message)));
    });
  }

  async #probeGrpc(port: number, service: string, timeoutMs: number): Promise<ProbeAnswer> {
    const { checkGrpcHealth } = await import('./grpc-health-check.ts');
    const problem = await checkGrpcHealth(this.#connectOptions(port), service, timeoutMs);
    return problem === undefined ? { status: 200, body: '' } : failed(problem);
  }
}
