// [m] One HTTP/1.1 request with bounds on time and body: to the proxy's admin, to the app, to ourselves. Never follows a redirect by itself.
import type {
  Agent,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  RequestOptions,
} from 'node:http';
import type { Socket } from 'node:net';

import { isIpv6 } from '../proxy/base/ip-text.ts';
import { httpRequest } from '../proxy/base/lean-http.ts';

export interface HttpTarget {
  readonly scheme?: 'http' | 'https';
  /** An IP address, or `localhost`. */
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  /** Source address; default the kernel's choice. */
  readonly localAddress?: string;
  /** For connecting, and again for each silence. The caller bounds the whole. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Keeps connections; default a connection for this request alone. */
  readonly agent?: Agent;
  /** Connected already, and through with its handshake; `scheme` says no more than what is inside. */
  readonly socket?: Socket;
}

export interface HttpAnswer {
  readonly ok: true;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpFailure {
  readonly ok: false;
  readonly reason: string;
}

function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? error.message : `${code}: ${error.message}`;
}

function requestOptions(target: HttpTarget): RequestOptions {
  const options: RequestOptions = {
    host: target.host,
    port: target.port,
    method: target.method,
    path: target.path,
    headers: { ...target.headers },
    // One socket a request: a probe must see whether the peer accepts connections now.
    agent: false,
    timeout: target.timeoutMs,
  };
  if (target.localAddress !== undefined) {
    options.localAddress = target.localAddress;
    // `localhost` has addresses of both families, and only those of one can be reached from here.
    options.family = isIpv6(target.localAddress) ? 6 : 4;
  }
  const { agent, socket } = target;
  if (agent !== undefined) options.agent = agent;
  if (socket !== undefined) {
    options.createConnection = () => socket;
    // With any agent, and `false` makes one, Node would connect by itself.
    delete options.agent;
  }
  if (target.signal !== undefined) options.signal = target.signal;
  return options;
}

/** The response once its head is here; the caller reads or destroys it. Rejects where there is none. */
export async function openHttp(target: HttpTarget): Promise<IncomingMessage> {
  const options = requestOptions(target);
  let send: typeof httpRequest = httpRequest;
  if (target.scheme === 'https' && target.socket === undefined) {
    send = process.getBuiltinModule('node:https').request;
    // Kubernetes does not verify the certificates of probed apps either.
    Object.assign(options, { rejectUnauthorized: false });
  }
  return new Promise((resolve, reject) => {
    const request = send(options, resolve);
    request.on('timeout', () =>
      request.destroy(new Error(`no answer within ${target.timeoutMs} ms`)),
    );
    request.on('error', reject);
    request.end(target.body);
  });
}

async function readUpTo(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    const room = maxBytes - size;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    size += chunk.length;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks);
}

/** Whole exchange within `timeoutMs`; a body beyond `maxBodyBytes` is cut there. */
export async function fetchBounded(
  target: HttpTarget,
  maxBodyBytes: number,
): Promise<HttpAnswer | HttpFailure> {
  const deadline = AbortSignal.timeout(target.timeoutMs);
  const signal =
    target.signal === undefined ? deadline : AbortSignal.any([deadline, target.signal]);
  try {
    const message = await openHttp({ ...target, signal });
    const body = await readUpTo(message, maxBodyBytes);
    if (!message.complete) message.destroy();
    return { ok: true, status: message.statusCode ?? 0, headers: message.headers, body };
  } catch (error) {
    if (deadline.aborted) return { ok: false, reason: `no answer within ${target.timeoutMs} ms` };
    return { ok: false, reason: reasonOf(error as Error) };
  }
}
