// [m] Decodes the PROXY protocol: the listener filter, and what upstreams are sent (envoy-behaviour §8.4).
import type {
  ProxyProtocolConfig,
  ProxyProtocolPassThroughTLVs,
  TlvEntry,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { ProxyProtocol } from '../../xds-protos/gen/envoy.extensions.filters.listener.proxy_protocol.v3.ts';
import type {
  AddedTlvConfig,
  PassedTlvs,
  ProxyProtocolFilterConfig,
  UpstreamProxyProtocolConfig,
} from '../config/proxy-protocol-config.ts';
import { decodeFormat } from './format-decoder.ts';
import type { FieldReader } from './field-reader.ts';

const MAX_TYPE = 255;
/** A TLV's length is two bytes, and so is the length of all. */
const MAX_VALUE_BYTES = 65_535;
const DEFAULT_NAMESPACE = 'envoy.filters.listener.proxy_protocol';

export function decodeProxyProtocolFilter(
  reader: FieldReader<ProxyProtocol>,
): ProxyProtocolFilterConfig {
  const disallowed = new Set(reader.message.disallowed_versions ?? []);
  for (const version of disallowed)
    if (typeof version === 'number')
      reader.problem('disallowed_versions', `unknown enum value ${version}`);
  const passThrough = reader.child('pass_through_tlvs');
  return {
    rules: reader.children('rules').map((rule) => {
      const target = rule.child('on_tlv_present');
      const encoding = target?.enumName('value_string_encoding', 'UNSPECIFIED');
      return {
        type: rule.number('tlv_type', 0, 0, MAX_TYPE),
        namespace: target?.nonEmpty('metadata_namespace') ?? DEFAULT_NAMESPACE,
        key: target?.requiredString('key') ?? '',
        encoding: encoding === 'BASE64' ? 'base64' : 'utf8',
      };
    }),
    allowWithout: reader.bool('allow_requests_without_proxy_protocol'),
    passThroughTlvs: passThrough && decodePassThrough(passThrough),
    allowV1: !disallowed.has('V1'),
    allowV2: !disallowed.has('V2'),
    statPrefix: reader.string('stat_prefix'),
    tlvsToFilterState: reader.enumName('tlv_location', 'DYNAMIC_METADATA') === 'FILTER_STATE',
  };
}

export function decodeUpstreamProxyProtocol(
  reader: FieldReader<ProxyProtocolConfig>,
): UpstreamProxyProtocolConfig {
  const passThrough = reader.child('pass_through_tlvs');
  // A pool's header is written before anything of a request is known that a format could print.
  for (const entry of reader.children('added_tlvs')) entry.refuse('format_string');
  return {
    version: reader.enumName('version', 'V1') === 'V2' ? 2 : 1,
    passThroughTlvs: passThrough && decodePassThrough(passThrough),
    addedTlvs: decodeAddedTlvs(reader.children('added_tlvs')),
  };
}

function decodePassThrough(reader: FieldReader<ProxyProtocolPassThroughTLVs>): PassedTlvs {
  if (reader.enumName('match_type', 'INCLUDE_ALL') === 'INCLUDE_ALL') return 'all';
  const types = reader.message.tlv_type ?? [];
  if (types.some((type) => type > MAX_TYPE))
    reader.problem('tlv_type', `must be at most ${MAX_TYPE}`);
  return types;
}

export function decodeAddedTlvs(
  readers: readonly FieldReader<TlvEntry>[],
): readonly AddedTlvConfig[] {
  return readers.map((reader) => {
    const type = reader.number('type', 0, 0, MAX_TYPE);
    const format = reader.child('format_string');
    const value = Buffer.from(reader.message.value ?? []);
    if (format !== undefined) {
      if (value.length > 0) reader.problem('', 'only one of value and format_string may be set');
      return { type, format: decodeFormat(format) };
    }
    if (value.length === 0) reader.problem('', 'one of value, format_string is required');
    if (value.length > MAX_VALUE_BYTES)
      reader.problem('value', `must be at most ${MAX_VALUE_BYTES} bytes long`);
    return { type, value: value.toString('latin1') };
  });
}
