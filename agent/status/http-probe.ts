// [m] HttpProbe: the kubelet's HTTP probes and lifecycle hooks asked of the app, with redirects as the kubelet takes them (istio-contract §6.6).
import type { Agent, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';

import { isIpv6 } from '../../proxy/base/ip-text.ts';
import { fetchBounded } from '../http-client.ts';
import type { HttpAnswer, HttpFailure, HttpTarget } from '../http-client.ts';
import type { ProbeAction } from '../pod-annotations.ts';
import type { ProbeAnswer } from './app-probe.ts';

export type HttpAction = Extract<ProbeAction, { kind: 'http' }>;

export interface HttpProbeParts {
  /** The pod's address, or `localhost` for apps that listen there alone. */
  readonly host: string;
  readonly sourceAddress: string;
  /** Ours: what the kubelet dialled, and what its Host header may name. */
  readonly statusPort: number;
  /** HTTPS apps may choose HTTP/2 (ISTIO_ENABLE_HTTP2_PROBING). */
  readonly http2: boolean;
  /** ENABLE_PROBE_KEEPALIVE_CONNECTIONS; then HTTPS stays with HTTP/1.1. */
  readonly keepAlive: boolean;
}

/** What came from the kubelet. */
export interface ProbeRequest {
  readonly headersDistinct: IncomingMessage['headersDistinct'];
  /** Aborted when the kubelet has gone. */
  readonly signal: AbortSignal;
}

interface Step {
  readonly url: URL;
  /** As the pod says it: what a URL makes of it (`//`, `..`, backslashes) is another path. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

export const MAX_BODY_BYTES = 10_240;
/** As Go's client: the tenth answer that redirects is one too many. */
const MAX_REQUESTS = 10;
const FOLLOWED = new Set([301, 302, 303, 307, 308]);
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const HOST_WITH_PORT = /^(.*):([0-9]{1,5})$/;

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

export class HttpProbe {
  readonly #parts: HttpProbeParts;
  /** By scheme. */
  readonly #agents = new Map<string, Agent>();

  constructor(parts: HttpProbeParts) {
    this.#parts = parts;
  }

  async run(action: HttpAction, timeoutMs: number, request: ProbeRequest): Promise<ProbeAnswer> {
    const { host } = this.#parts;
    const authority = `${isIpv6(host) ? `[${host}]` : host}:${action.port}`;
    const first = new URL(`${action.scheme}://${authority}`);
    let step: Step = {
      url: new URL(first.origin + action.path),
      path: action.path,
      headers: this.#headers(request.headersDistinct, action.port),
    };
    const endsAt = performance.now() + timeoutMs;
    for (let count = 1; ; count++) {
      const leftMs = Math.max(1, Math.ceil(endsAt - performance.now()));
      const answer = await this.#get(step, leftMs, request.signal);
      if (!answer.ok) return failed(answer.reason);
      if (answer.status < 300 || answer.status > 399)
        return { status: answer.status, body: answer.body };
      const next = nextStep(answer, step, first.hostname);
      if (next === 'elsewhere') return { status: 200, body: '' };
      if (next === 'unreadable') return failed('the Location of a redirect is no URL');
      if (count >= MAX_REQUESTS) return failed(`stopped after ${MAX_REQUESTS} redirects`);
      step = next;
    }
  }

  #headers(incoming: ProbeRequest['headersDistinct'], port: number): OutgoingHttpHeaders {
    const headers = Object.create(null) as OutgoingHttpHeaders;
    for (const [name, values] of Object.entries(incoming)) {
      if (values !== undefined && !NOT_COPIED.has(name)) headers[name] = values;
    }
    const [host] = incoming['host'] ?? ['localhost'];
    const [, name, hostPort] = HOST_WITH_PORT.exec(host!) ?? [];
    // A Host header of the probe's own stays as it is; the one of the rewritten probe names our port.
    headers['host'] = Number(hostPort) === this.#parts.statusPort ? `${name}:${port}` : host;
    if (!this.#parts.keepAlive) headers['connection'] = 'close';
    return headers;
  }

  async #get(
    step: Step,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer | HttpFailure> {
    const { keepAlive, http2, sourceAddress } = this.#parts;
    const { url, path, headers } = step;
    const secure = url.protocol === 'https:';
    const target: HttpTarget = {
      scheme: secure ? 'https' : 'http',
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port === '' ? (secure ? 443 : 80) : url.port),
      method: 'GET',
      path,
      headers,
      localAddress: sourceAddress,
      timeoutMs,
      signal,
    };
    if (keepAlive) {
      const kept = { ...target, agent: this.#agentOf(secure) };
      const answer = await fetchBounded(kept, MAX_BODY_BYTES);
      // The app may have closed a kept connection just when it was used again.
      return answer.ok || !answer.reason.startsWith('ECONNRESET')
        ? answer
        : fetchBounded(target, MAX_BODY_BYTES);
    }
    if (!secure || !http2) return fetchBounded(target, MAX_BODY_BYTES);
    const { fetchByAlpn } = await import('./alpn-fetch.ts');
    return fetchByAlpn(target, MAX_BODY_BYTES);
  }

  #agentOf(secure: boolean): Agent {
    const scheme = secure ? 'https' : 'http';
    let agent = this.#agents.get(scheme);
    if (agent === undefined) {
      const options = { keepAlive: true, maxFreeSockets: 4 };
      agent = secure
        ? new (process.getBuiltinModule('node:https').Agent)(options)
        : new (process.getBuiltinModule('node:http').Agent)(options);
      this.#agents.set(scheme, agent);
    }
    return agent;
  }
}

export const failed = (problem: string): ProbeAnswer => ({ status: 500, body: '', problem });

/** `elsewhere`: what Kubernetes takes for success, as it was not the app that failed. */
function nextStep(
  answer: { readonly status: number; readonly headers: IncomingHttpHeaders },
  { url, headers }: Step,
  hostname: string,
): Step | 'elsewhere' | 'unreadable' {
  const { location } = answer.headers;
  if (location === undefined || location === '' || !FOLLOWED.has(answer.status)) return 'elsewhere';
  const next = URL.parse(location, url);
  if (next === null) return 'unreadable';
  if (next.hostname !== hostname) return 'elsewhere';
  if (next.protocol !== 'http:' && next.protocol !== 'https:') return 'unreadable';
  // An absolute Location names the host that it wants.
  return {
    url: next,
    path: next.pathname + next.search,
    headers: ABSOLUTE.test(location) ? { ...headers, host: next.host } : headers,
  };
}
