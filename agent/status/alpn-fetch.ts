// [m] One HTTPS request to a server that may choose HTTP/2 by ALPN, bounded like fetchBounded; certificates are not checked, as the kubelet does not.
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';

import { isIpv6 } from '../../proxy/base/ip-text.ts';
import { fetchBounded } from '../http-client.ts';
import type { HttpAnswer, HttpFailure, HttpTarget } from '../http-client.ts';

/** Headers of HTTP/1.1 connections that HTTP/2 forbids, and the one that becomes `:authority`. */
const NOT_IN_HTTP2 = new Set(['connection', 'host']);

export async function fetchByAlpn(
  target: HttpTarget,
  maxBodyBytes: number,
): Promise<HttpAnswer | HttpFailure> {
  const deadline = AbortSignal.timeout(target.timeoutMs);
  const signal =
    target.signal === undefined ? deadline : AbortSignal.any([deadline, target.signal]);
  let socket: TLSSocket | undefined;
  try {
    // Whoever has gone already will not say so again.
    signal.throwIfAborted();
    socket = await handshake(target, signal);
    if (socket.alpnProtocol === 'h2')
      return await overHttp2(target, socket, { signal, maxBodyBytes });
    return await fetchBounded({ ...target, socket, signal }, maxBodyBytes);
  } catch (error) {
    if (deadline.aborted) return { ok: false, reason: `no answer within ${target.timeoutMs} ms` };
    return { ok: false, reason: (error as Error).message };
  } finally {
    socket?.destroy();
  }
}

function handshake(target: HttpTarget, signal: AbortSignal): Promise<TLSSocket> {
  const { connect } = process.getBuiltinModule('node:tls');
  const { host, port, localAddress } = target;
  return new Promise((resolve, reject) => {
    const source =
      localAddress === undefined
        ? {}
        : { localAddress, family: isIpv6(localAddress) ? (6 as const) : (4 as const) };
    const socket = connect({
      host,
      port,
      ...source,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    const giveUp = (): void => {
      socket.destroy(new Error('aborted'));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    socket.on('error', reject);
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', giveUp);
      resolve(socket);
    });
  });
}

interface Bounds {
  readonly signal: AbortSignal;
  readonly maxBodyBytes: number;
}

function overHttp2(
  target: HttpTarget,
  socket: TLSSocket,
  { signal, maxBodyBytes }: Bounds,
): Promise<HttpAnswer> {
  const http2 = process.getBuiltinModule('node:http2');
  const authority = String(target.headers?.['host'] ?? target.host);
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(target.headers ?? {})) {
    if (!NOT_IN_HTTP2.has(name)) headers[name] = value;
  }
  Object.assign(headers, {
    ':method': target.method,
    ':path': target.path,
    ':authority': authority,
  });
  return new Promise((resolve, reject) => {
    const session: ClientHttp2Session = http2.connect('https://app.invalid', {
      createConnection: () => socket,
    });
    session.on('error', reject);
    const stream = session.request(headers, { endStream: true, signal });
    const chunks: Buffer[] = [];
    let size = 0;
    let answer: Omit<HttpAnswer, 'body'> | undefined;
    const done = (): void => {
      if (answer === undefined) reject(new Error('the stream ended without an answer'));
      else resolve({ ...answer, body: Buffer.concat(chunks) });
      session.destroy();
    };
    stream.on('response', ({ ':status': status, ...rest }) => {
      answer = { ok: true, status: status ?? 0, headers: rest as HttpAnswer['headers'] };
    });
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk.subarray(0, maxBodyBytes - size));
      size += chunk.length;
      if (size >= maxBodyBytes) done();
    });
    stream.on('error', reject);
    stream.on('end', done);
  });
}
