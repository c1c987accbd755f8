// [m] Decodes listener filters and the predicates that switch them off (envoy-behaviour §8.4, istio-contract §2.4).
import type { TlsInspector } from '../../xds-protos/gen/envoy.extensions.filters.listener.tls_inspector.v3.ts';
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from '../../xds-protos/gen/envoy.config.listener.v3.ts';
import type {
  ListenerFilterConfig,
  ListenerFilterPredicate,
  ListenerFilterSettings,
  TlsInspectorConfig,
} from '../config/listener-config.ts';
import { MAX_PORT } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeProxyProtocolFilter } from './proxy-protocol-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const FILTERS = 'envoy.extensions.filters.listener';
const TLS_INSPECTOR = `${FILTERS}.tls_inspector.v3.TlsInspector`;
const PROXY_PROTOCOL = `${FILTERS}.proxy_protocol.v3.ProxyProtocol`;
const ORIGINAL_SRC = `${FILTERS}.original_src.v3.OriginalSrc`;
const MAX_UINT32 = 0xffff_ffff;

export function decodeListenerFilters(
  readers: readonly FieldReader<ListenerFilter>[],
): readonly ListenerFilterConfig[] {
  const filters: ListenerFilterConfig[] = [];
  for (const reader of readers) {
    const name = reader.requiredString('name');
    if (reader.has('config_discovery')) {
      reader.refuse('config_discovery');
      continue;
    }
    const config = typedConfigOf(reader);
    const disabled = reader.child('filter_disabled');
    const settings = config && decodeSettings(config, name);
    if (settings !== undefined)
      filters.push({ name, ...settings, disabled: disabled && decodePredicate(disabled) });
  }
  return filters;
}

function decodeTlsInspector(reader: FieldReader<TlsInspector>): TlsInspectorConfig {
  reader.refuse('max_client_hello_size');
  const asked = (
    field: 'enable_ja3_fingerprinting' | 'enable_ja4_fingerprinting',
  ): boolean | undefined => reader.bool(field) || undefined;
  return {
    kind: 'tls_inspector',
    ja3: asked('enable_ja3_fingerprinting'),
    ja4: asked('enable_ja4_fingerprinting'),
    strict: reader.bool('close_connection_on_client_hello_parsing_errors') || undefined,
  };
}

function decodeSettings(config: TypedConfig, name: string): ListenerFilterSettings | undefined {
  switch (config.typeName) {
    case `${FILTERS}.original_dst.v3.OriginalDst`:
      return { kind: 'original_dst' };
    case `${FILTERS}.http_inspector.v3.HttpInspector`:
      return { kind: 'http_inspector' };
    case TLS_INSPECTOR: {
      const reader = config.as(TLS_INSPECTOR);
      return reader && decodeTlsInspector(reader);
    }
    case ORIGINAL_SRC: {
      const reader = config.as(ORIGINAL_SRC);
      reader?.refuse('bind_port');
      return { kind: 'original_src', mark: reader?.number('mark', 0, 0, MAX_UINT32) ?? 0 };
    }
    case PROXY_PROTOCOL: {
      const reader = config.as(PROXY_PROTOCOL);
      return reader && { kind: 'proxy_protocol', settings: decodeProxyProtocolFilter(reader) };
    }
    default:
      config.unknown(name);
      return undefined;
  }
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
