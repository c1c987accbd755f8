// [m] A channel to a server that is named as gRPC names them: for programs without clusters.
import type { ClientTls, GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import type { GrpcThread } from './grpc-thread.ts';
import { Http2Channel } from './http2-channel.ts';

/** As grpc-go gives a server at least. */
const CONNECT_TIMEOUT_MS = 20_000;

export interface ServerAddress {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly target: string;
  /** Undefined: plaintext. */
  readonly tls: ClientTls | undefined;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
}

const clientTls = lazyPart<typeof import('./client-tls.ts')>('grpc/client-tls');

/** Dials with its first stream. Throws where what TLS is made of is none. */
export function openChannel(
  thread: GrpcThread,
  { target, tls, maxMessageBytes }: ServerAddress,
): GrpcChannel {
  const address = addressOf(target);
  const host = address.kind === 'ip' ? address.address : '';
  const transport = tls === undefined ? null : clientTls().clientTransport(tls, host, thread);
  return new Http2Channel({
    io: thread.io,
    address,
    transport,
    authority: address.kind === 'ip' ? target : 'localhost',
    statName: 'grpc',
    stats: thread.stats,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    maxMessageBytes,
  });
}

function addressOf(target: string): AddressConfig {
  if (target.startsWith('unix:'))
    return { kind: 'pipe', path: target.replace(/^unix:(?:\/\/)?/, ''), mode: 0 };
  const [, host = '', port = ''] = /^\[?(.*?)\]?:([0-9]{1,5})$/.exec(target) ?? [];
  return { kind: 'ip', address: host, port: Number(port) };
}
