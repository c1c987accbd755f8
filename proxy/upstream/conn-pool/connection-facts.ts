// [w] What logs tell of an upstream connection; made once, when it is there.
import type { Connection } from '../../network/connection.ts';
import { printAddress } from '../../network/address.ts';
import type { TlsFacts } from '../../stream-info/tls-facts.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';

const NO_NAME: { readonly address?: string; readonly port?: number } = {};

/** `protocol`: '' for TCP. Times are monotonic. */
export function connectionFacts(
  connection: Connection,
  host: Host,
  protocol: string,
  made: {
    readonly connectStartMs: number;
    readonly connectEndMs: number;
    readonly tls: TlsFacts | null;
  },
): UpstreamConnectionFacts {
  const local = connection.localName();
  const several = host.endpoint.additionalAddresses !== undefined;
  const remote = several ? connection.remoteName() : NO_NAME;
  return {
    ...(remote.address !== undefined && {
      remoteAddress: printAddress(remote.address, remote.port ?? 0),
    }),
    host,
    id: connection.id,
    localAddress: local.address === undefined ? '' : printAddress(local.address, local.port ?? 0),
    connectStartMs: made.connectStartMs,
    connectEndMs: made.connectEndMs,
    protocol,
    tls: made.tls,
    requestCount: 0,
    kept: false,
    stale: false,
  };
}
