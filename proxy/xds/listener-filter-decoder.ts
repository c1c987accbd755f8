// [m] Decodes listener filters and the predicates that switch them off (envoy-behaviour §8.4, istio-contract §2.4).
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type { ListenerFilterConfig, ListenerFilterPredicate } from '../config/listener-config.ts';
import { MAX_PORT } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

const KINDS: ReadonlyMap<string, ListenerFilterConfig['kind']> = new Map([
  ['envoy.extensions.filters.listener.original_dst.v3.OriginalDst', 'original_dst'],
  ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', 'tls_inspector'],
  ['envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', 'http_inspector'],
]);

/**
 * Sent in TPROXY mode only. Without it the application sees the proxy's address instead of the client's; nothing is let
 * through that would not be. Refusing it would cost the whole inbound listener, so it is accepted and said so in dumps.
 */
const ORIGINAL_SRC = 'envoy.extensions.filters.listener.original_src.v3.OriginalSrc';

export interface ListenerFilters {
  readonly filters: readonly ListenerFilterConfig[];
  readonly inert: readonly string[];
}

export function decodeListenerFilters(
  readers: readonly FieldReader<ListenerFilter>[],
): ListenerFilters {
  const filters: ListenerFilterConfig[] = [];
  const inert: string[] = [];
  for (const reader of readers) {
    const name = reader.requiredString('name');
    if (reader.has('config_discovery')) {
      reader.refuse('config_discovery');
      continue;
    }
    const config = typedConfigOf(reader);
    const disabled = reader.child('filter_disabled');
    const kind = KINDS.get(config?.typeName ?? '');
    if (kind !== undefined)
      filters.push({ name, kind, disabled: disabled && decodePredicate(disabled) });
    else if (config?.typeName === ORIGINAL_SRC) inert.push(name);
    else config?.unknown(name);
  }
  return { filters, inert };
}

const ANY: ListenerFilterPredicate = { kind: 'any' };

function decodePredicate(
  reader: FieldReader<ListenerFilterChainMatchPredicate>,
): ListenerFilterPredicate {
  const range = reader.child('destination_port_range');
  if (range !== undefined) {
    const start = range.number('start', 0, 0, MAX_PORT);
    const end = range.number('end', 0, 0, MAX_PORT + 1);
    return { kind: 'destination_port', start, end };
  }
  const not = reader.child('not_match');
  if (not !== undefined) return { kind: 'not', rule: decodePredicate(not) };
  const or = reader.child('or_match');
  if (or !== undefined) return { kind: 'or', rules: decodeRules(or.children('rules'), reader) };
  const and = reader.child('and_match');
  if (and !== undefined) return { kind: 'and', rules: decodeRules(and.children('rules'), reader) };
  if (!reader.has('any_match')) {
    reader.problem(
      '',
      'one of or_match, and_match, not_match, any_match, destination_port_range is required',
    );
  }
  return ANY;
}

function decodeRules(
  rules: readonly FieldReader<ListenerFilterChainMatchPredicate>[],
  parent: FieldReader<ListenerFilterChainMatchPredicate>,
): readonly ListenerFilterPredicate[] {
  if (rules.length < 2) parent.problem('', 'a match set needs at least two rules');
  return rules.map(decodePredicate);
}
