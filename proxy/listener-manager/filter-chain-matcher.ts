// [w] Which filter chain owns a connection (envoy-behaviour §8.3): nested levels, each picks one entry and never goes
// back; a dead end is the default chain's. Compiled once per listener update.
//
//   port ─▶ destination CIDR ─▶ SNI ─▶ transport protocol ─▶ ALPN ─▶ direct source ─▶ source type ─▶ source ─▶ port
import { Cidr, isLoopbackIp, parseIp } from '../network/address.ts';
import type { CidrConfig, FilterChainMatchConfig } from '../config/listener-config.ts';

/** What is known of a connection when its chain is chosen. */
export interface ConnectionFacts {
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Of the socket, whatever a PROXY header said. */
  readonly directRemoteIp: string;
  /** Lower-case; '' when there was none. */
  readonly serverName: string;
  /** `tls` or `raw_buffer`. */
  readonly transportProtocol: string;
  /** In the client's order. */
  readonly applicationProtocols: readonly string[];
}

export interface MatchableChain {
  readonly match: FilterChainMatchConfig;
}

/** Chains grouped by the keys one level gives them; a chain without any key goes under `none`. */
function groupBy<T, K>(
  chains: readonly T[],
  keysOf: (chain: T) => readonly K[],
  none: K,
): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const chain of chains) {
    const keys = keysOf(chain);
    for (const key of keys.length === 0 ? [none] : keys) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [chain]);
      else group.push(chain);
    }
  }
  return groups;
}

const NO_PORT = -1;

/** By the range's configuration object. */
type CompiledRanges = Map<CidrConfig, Cidr>;

export class FilterChainMatcher<T extends MatchableChain> {
  readonly #byPort: Map<number, T[]>;
  readonly #default: T | null;
  readonly #cidrs: CompiledRanges = new Map();

  constructor(chains: readonly T[], defaultChain: T | null) {
    for (const { match } of chains) {
      for (const ranges of [
        match.prefixRanges,
        match.directSourcePrefixRanges,
        match.sourcePrefixRanges,
      ]) {
        for (const range of ranges)
          this.#cidrs.set(range, new Cidr(range.address, range.prefixLength));
      }
    }
    this.#byPort = groupBy(
      chains,
      (chain) => (chain.match.destinationPort === undefined ? [] : [chain.match.destinationPort]),
      NO_PORT,
    );
    this.#default = defaultChain;
  }

  /** Null: no chain wants this connection. */
  find(facts: ConnectionFacts): T | null {
    const byPort = this.#byPort.get(facts.localPort) ?? this.#byPort.get(NO_PORT);
    if (byPort === undefined) return this.#default;
    return this.#narrow(byPort, facts) ?? this.#default;
  }

  #narrow(chains: readonly T[], facts: ConnectionFacts): T | null {
    let left = byRange(chains, facts.localIp, (match) => match.prefixRanges, this.#cidrs);
    left = byServerName(left, facts.serverName);
    left = byExact(left, facts.transportProtocol);
    left = byAlpn(left, facts.applicationProtocols);
    left = byRange(
      left,
      facts.directRemoteIp,
      (match) => match.directSourcePrefixRanges,
      this.#cidrs,
    );
    left = bySourceType(left, facts);
    left = byRange(left, facts.remoteIp, (match) => match.sourcePrefixRanges, this.#cidrs);
    left = bySourcePort(left, facts.remotePort);
    return left[0] ?? null;
  }
}

/** Chains of the longest matching prefix; those without ranges count as the shortest of all. */
function byRange<T extends MatchableChain>(
  chains: readonly T[],
  ip: string,
  rangesOf: (match: FilterChainMatchConfig) => readonly CidrConfig[],
  cidrs: CompiledRanges,
): readonly T[] {
  if (chains.every((chain) => rangesOf(chain.match).length === 0)) return chains;
  const bytes = parseIp(ip);
  let longest = -1;
  let best: T[] = [];
  for (const chain of chains) {
    const ranges = rangesOf(chain.match);
    let length = ranges.length === 0 ? 0 : -1;
    for (const range of ranges) {
      if (bytes === null || range.prefixLength + 1 <= length) continue;
      if (cidrs.get(range)!.contains(bytes)) length = range.prefixLength + 1;
    }
    if (length < 0 || length < longest) continue;
    if (length > longest) {
      longest = length;
      best = [];
    }
    best.push(chain);
  }
  return best;
}

function byServerName<T extends MatchableChain>(
  chains: readonly T[],
  serverName: string,
): readonly T[] {
  if (chains.every((chain) => chain.match.serverNames.length === 0)) return chains;
  const groups = groupBy(chains, (chain) => chain.match.serverNames, '');
  if (serverName !== '') {
    const exact = groups.get(serverName);
    if (exact !== undefined) return exact;
    for (let dot = serverName.indexOf('.'); dot >= 0; dot = serverName.indexOf('.', dot + 1)) {
      const wildcard = groups.get(`*${serverName.slice(dot)}`);
      if (wildcard !== undefined) return wildcard;
    }
  }
  return groups.get('') ?? [];
}

function byExact<T extends MatchableChain>(
  chains: readonly T[],
  transportProtocol: string,
): readonly T[] {
  const exact = chains.filter((chain) => chain.match.transportProtocol === transportProtocol);
  return exact.length > 0 ? exact : chains.filter((chain) => chain.match.transportProtocol === '');
}

function byAlpn<T extends MatchableChain>(
  chains: readonly T[],
  protocols: readonly string[],
): readonly T[] {
  for (const protocol of protocols) {
    const wanted = chains.filter((chain) => chain.match.applicationProtocols.includes(protocol));
    if (wanted.length > 0) return wanted;
  }
  return chains.filter((chain) => chain.match.applicationProtocols.length === 0);
}

function bySourceType<T extends MatchableChain>(
  chains: readonly T[],
  facts: ConnectionFacts,
): readonly T[] {
  const local = isLoopbackIp(facts.remoteIp) || facts.remoteIp === facts.localIp;
  const wanted = local ? 'SAME_IP_OR_LOOPBACK' : 'EXTERNAL';
  const special = chains.filter((chain) => chain.match.sourceType === wanted);
  return special.length > 0 ? special : chains.filter((chain) => chain.match.sourceType === 'ANY');
}

function bySourcePort<T extends MatchableChain>(chains: readonly T[], port: number): readonly T[] {
  const exact = chains.filter((chain) => chain.match.sourcePorts.includes(port));
  return exact.length > 0 ? exact : chains.filter((chain) => chain.match.sourcePorts.length === 0);
}
