// [b] What an update of a listener means to the connections it has: which of its filter chains go on as they are, which
// get other settings under their living connections, which are drained (docs/adr/0015-updates-in-place.md). Main counts
// by it, workers act by it.
import { util } from '../base/node-builtins.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type {
  AddressConfig,
  FilterChainConfig,
  ListenerConfig,
  ListenerFilterConfig,
} from '../config/listener-config.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';

/**
 * `in_place`: the listener stays. `new_listener`: another takes its sockets over, and it drains with all its chains.
 * `new_sockets`: the other has sockets of its own.
 */
export type ListenerFate = 'in_place' | 'new_listener' | 'new_sockets';

/** `swap`: the next requests of its connections are the new chain's. `retire`: and the connections end after them. */
export type Succession = 'keep' | 'swap' | 'retire';

export interface ChainOrigin {
  /** Place among the chains before (the default chain is the last); -1: there was none. */
  readonly from: number;
  readonly how: Succession;
}

export interface ChainPlan {
  /** For each chain of the new version, in the order of chainsOf(). */
  readonly origins: readonly ChainOrigin[];
  /** Places of the chains before that nobody succeeds. */
  readonly drained: readonly number[];
}

const NEW: ChainOrigin = { from: -1, how: 'keep' };

/** The default chain, where there is one, is the last. */
export function chainsOf(listener: ListenerConfig): readonly FilterChainConfig[] {
  const { filterChains, defaultFilterChain } = listener;
  return defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
}

export function listenerFate(before: ListenerConfig, after: ListenerConfig): ListenerFate {
  if (!sameSockets(before, after)) return 'new_sockets';
  return samePeers(before, after) ? 'in_place' : 'new_listener';
}

/** Of an update in place. */
export function planChains(before: ListenerConfig, after: ListenerConfig): ChainPlan {
  const old = chainsOf(before);
  const left = new Set(old.keys());
  const byHash = new Map<string, number>();
  const byMatch = new Map<string, number>();
  for (const [place, chain] of old.entries()) {
    if (chain.hash !== '') byHash.set(chain.hash, place);
    byMatch.set(matchKey(chain, before), place);
  }
  const unchanged: Succession = sameFrame(before, after) ? 'keep' : 'swap';
  const chains = chainsOf(after);
  // Unchanged ones first: a changed chain must not take the place of one that goes on as it is.
  const kept = chains.map(({ hash }) => {
    const from = byHash.get(hash) ?? -1;
    return left.delete(from) ? { from, how: unchanged } : undefined;
  });
  const origins = chains.map((chain, i): ChainOrigin => {
    const same = kept[i];
    if (same !== undefined) return same;
    const from = byMatch.get(matchKey(chain, after)) ?? -1;
    const how = left.has(from) ? successionOf(old[from]!, chain) : undefined;
    if (how === undefined) return NEW;
    left.delete(from);
    return { from, how };
  });
  return { origins, drained: [...left] };
}

/** Undefined: connections of the one have no place in the other. */
function successionOf(before: FilterChainConfig, after: FilterChainConfig): Succession | undefined {
  if (!util.isDeepStrictEqual(before.transportSocket, after.transportSocket)) return undefined;
  const [old, now] = [before.networkFilters, after.networkFilters].map((filters) =>
    filters.filter(({ kind }) => kind !== 'inert'),
  ) as [NetworkFilterConfig[], NetworkFilterConfig[]];
  if ([...old, ...now].some(({ kind }) => kind === 'refuse')) return undefined;
  const [oldEnd, end] = [old.pop(), now.pop()];
  if (oldEnd === undefined || end === undefined || oldEnd.kind !== end.kind) return undefined;
  if (!util.isDeepStrictEqual(old, now)) return 'retire';
  return oldEnd.kind === 'http_connection_manager' &&
    end.kind === 'http_connection_manager' &&
    !sameAgreement(oldEnd.settings, end.settings)
    ? 'retire'
    : 'swap';
}

/** What a connection has agreed with its client, or was begun with: it cannot be changed under it. */
const AGREED = [
  'codecType',
  'http1',
  'http2',
  'maxRequestHeadersKb',
  'maxHeadersCount',
  'headersWithUnderscoresAction',
  'useRemoteAddress',
  'xffNumTrustedHops',
  'maxConnectionDurationMs',
  'maxConnectionDurationJitterPercent',
] as const satisfies readonly (keyof HttpConnectionManagerConfig)[];

const sameAgreement = (a: HttpConnectionManagerConfig, b: HttpConnectionManagerConfig): boolean =>
  AGREED.every((field) => util.isDeepStrictEqual(a[field], b[field]));

/** Matches of a listener differ from one another. */
const matchKey = (chain: FilterChainConfig, { defaultFilterChain }: ListenerConfig): string =>
  chain === defaultFilterChain ? 'default' : JSON.stringify(chain.match);

/** What chains are built with beside their own content. */
const sameFrame = (a: ListenerConfig, b: ListenerConfig): boolean =>
  a.perConnectionBufferLimitBytes === b.perConnectionBufferLimitBytes &&
  a.accessLogs.length > 0 === b.accessLogs.length > 0 &&
  util.isDeepStrictEqual(a.metadata, b.metadata);

/** Connections of both came from the same peers, are counted in the same place, and are told of a drain at the same time. */
const samePeers = (a: ListenerConfig, b: ListenerConfig): boolean =>
  a.statPrefix === b.statPrefix &&
  a.trafficDirection === b.trafficDirection &&
  a.drainType === b.drainType &&
  a.useOriginalDst === b.useOriginalDst &&
  a.ignoreGlobalLimit === b.ignoreGlobalLimit &&
  util.isDeepStrictEqual(addressFilters(a), addressFilters(b));

/** These say who a peer is, and whom it meant. */
const addressFilters = ({ listenerFilters }: ListenerConfig): readonly ListenerFilterConfig[] =>
  listenerFilters.filter(
    ({ kind }) => kind === 'original_dst' || kind === 'original_src' || kind === 'proxy_protocol',
  );

const sameSockets = (a: ListenerConfig, b: ListenerConfig): boolean =>
  a.bindToPort === b.bindToPort &&
  a.tcpBacklogSize === b.tcpBacklogSize &&
  a.singleSocket === b.singleSocket &&
  a.exactBalance === b.exactBalance &&
  util.isDeepStrictEqual(a.socket, b.socket) &&
  sameAddress(a.address, b.address) &&
  a.additionalAddresses.length === b.additionalAddresses.length &&
  a.additionalAddresses.every((address, i) => sameAddress(address, b.additionalAddresses[i]!));

const sameAddress = (a: AddressConfig, b: AddressConfig): boolean => util.isDeepStrictEqual(a, b);
