// [m] Decodes what a filter chain matches, and refuses two chains that match the same (envoy-behaviour §8.3).
import { ipFamily } from '../base/ip-text.ts';
import type { FilterChainMatch } from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type { CidrConfig, FilterChainMatchConfig } from '../config/listener-config.ts';
import { MAX_PORT, decodeCidr } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { maskedPrefix } from './ip-prefix.ts';

/** Matches every connection. */
export const MATCH_ANY: FilterChainMatchConfig = {
  destinationPort: undefined,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

export function decodeFilterChainMatch(
  reader: FieldReader<FilterChainMatch>,
): FilterChainMatchConfig {
  if (reader.string('address_suffix') !== '' || reader.has('suffix_len'))
    reader.refuse('address_suffix');
  return {
    destinationPort: reader.optionalNumber('destination_port', 1, MAX_PORT),
    prefixRanges: reader.children('prefix_ranges').map(decodeCidr),
    serverNames: decodeServerNames(reader),
    transportProtocol: reader.string('transport_protocol'),
    applicationProtocols: reader.message.application_protocols ?? [],
    directSourcePrefixRanges: reader.children('direct_source_prefix_ranges').map(decodeCidr),
    sourceType: reader.enumName('source_type', 'ANY'),
    sourcePrefixRanges: reader.children('source_prefix_ranges').map(decodeCidr),
    sourcePorts: decodeSourcePorts(reader),
  };
}

function decodeServerNames(reader: FieldReader<FilterChainMatch>): readonly string[] {
  return (reader.message.server_names ?? []).map((name, index) => {
    const at = `server_names[${index}]`;
    const star = name.lastIndexOf('*');
    if (name === '') reader.problem(at, 'must not be empty');
    else if (star > 0 || (star === 0 && (name[1] !== '.' || name.length < 3))) {
      reader.problem(at, 'partial wildcards are not supported in "server_names"');
    }
    return name.toLowerCase();
  });
}

function decodeSourcePorts(reader: FieldReader<FilterChainMatch>): readonly number[] {
  const ports = reader.message.source_ports ?? [];
  ports.forEach((port, index) => {
    if (port < 1 || port > MAX_PORT) {
      reader.problem(`source_ports[${index}]`, `must be between 1 and ${MAX_PORT}, is ${port}`);
    }
  });
  return ports;
}

/** A match is written out as the combinations it stands for; beyond this many it is compared as a whole only. */
const MAX_COMBINATIONS = 4096;

/** Finds chains of one listener that could match the same connection equally well. */
export class FilterChainMatchRegistry {
  readonly #chains = new Map<string, string>();

  /** Why a chain cannot stand beside those before it; undefined when it can, and it is then remembered. */
  add(
    chainName: string,
    match: FilterChainMatchConfig,
    written: FilterChainMatch | undefined,
  ): string | undefined {
    const keys = combinations(match);
    for (const key of keys) {
      const other = this.#chains.get(key);
      if (other === undefined) continue;
      return (
        `filter chain '${chainName}' has the same matching rules defined as '${other}'. ` +
        `duplicate matcher is: ${JSON.stringify(written ?? {})}`
      );
    }
    for (const key of keys) this.#chains.set(key, chainName);
    return undefined;
  }
}

const cidrKeys = (ranges: readonly CidrConfig[]): readonly string[] =>
  ranges
    .filter(({ address }) => ipFamily(address) !== 0)
    .map(({ address, prefixLength }) =>
      maskedPrefix(address, prefixLength, ipFamily(address) === 6),
    );

function combinations(match: FilterChainMatchConfig): readonly string[] {
  const levels: readonly (readonly string[])[] = [
    [String(match.destinationPort ?? '')],
    cidrKeys(match.prefixRanges),
    match.serverNames,
    [match.transportProtocol],
    match.applicationProtocols,
    cidrKeys(match.directSourcePrefixRanges),
    [match.sourceType],
    cidrKeys(match.sourcePrefixRanges),
    match.sourcePorts.map(String),
  ];
  const count = levels.reduce((product, level) => product * Math.max(1, level.length), 1);
  if (count > MAX_COMBINATIONS) return [JSON.stringify(levels)];
  let keys: readonly string[] = [''];
  for (const level of levels) {
    const values = level.length === 0 ? [''] : [...new Set(level)];
    keys = keys.flatMap((key) => values.map((value) => `${key}\u0000${value}`));
  }
  return keys;
}
