// [w] What logs tell of an upstream connection; made once, when it is there.
import type { Connection } from '../../network/connection.ts';
import { printAddress } from '../../network/address.ts';
import type { UpstreamConnectionFacts } from '../../stream-info/upstream-facts.ts';
import type { Host } from '../host.ts';

/** `protocol`: '' for TCP. Times are monotonic. */
export function connectionFacts(
  connection: Connection,
  host: Host,
  protocol: string,
  times: { readonly connectStartMs: number; readonly connectEndMs: number },
): UpstreamConnectionFacts {
  const local = connection.localName();
  return {
    host,
    id: connection.id,
    localAddress: local.address === undefined ? '' : printAddress(local.address, local.port ?? 0),
    connectStartMs: times.connectStartMs,
    connectEndMs: times.connectEndMs,
    protocol,
    tls: null,
  };
}
