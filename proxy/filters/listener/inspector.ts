// [w] What listener filters that look at first bytes give and get.
import type { DynamicMetadata } from '../../stream-info/dynamic-metadata.ts';
import type { FilterState } from '../../stream-info/filter-state.ts';
import type { ProxyHeader } from '../../stream-info/proxy-facts.ts';
import type { IpPort } from '../../network/address.ts';

/** Facts found out so far; filters add to them. */
export interface InspectedConnection {
  serverName: string;
  /** '' until a filter knew better. */
  transportProtocol: string;
  applicationProtocols: readonly string[];
  /** Bytes at the beginning that are no part of what is served: a PROXY header. Absent: none. */
  consumed?: number;
  /** Addresses that a PROXY header gave; absent: the socket's. */
  remote?: IpPort | undefined;
  local?: IpPort | undefined;
  /** The header itself, with the TLVs that upstreams may get. */
  proxyHeader?: ProxyHeader;
  /** MD5 of what the client hello offers, in hex; absent: not asked for. */
  ja3?: string;
  ja4?: string;
  filterState?: FilterState;
  dynamicMetadata?: DynamicMetadata;
}

/** `wait`: not enough bytes yet. `reject`: the connection must be closed. */
export type InspectorVerdict = 'done' | 'wait' | 'reject';

export interface Inspector {
  /** A client that says nothing holds the connection up for this one only. */
  readonly waitsForClient: boolean;
  /** Looks at all bytes received so far, consumes none. `ended`: no more will come. */
  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict;
}
