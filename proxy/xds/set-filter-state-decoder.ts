// [m] Decodes the set_filter_state filter. Objects whose purpose is not built here are refused.
import type { Config } from '../../xds-protos/gen/envoy.extensions.filters.http.set_filter_state.v3.ts';
import type { FilterStateValue } from '../../xds-protos/gen/envoy.extensions.filters.common.set_filter_state.v3.ts';
import type { AccessLogFormat } from '../config/access-log-config.ts';
import type {
  FilterStateFactory,
  SetFilterStateConfig,
  SetFilterStateEntryConfig,
} from '../config/metadata-filter-config.ts';
import { decodeFormat } from './format-decoder.ts';
import type { FieldReader } from './field-reader.ts';

const FACTORIES: ReadonlySet<string> = new Set<FilterStateFactory>([
  'envoy.bool',
  'envoy.filters.listener.original_dst.local_ip',
  'envoy.filters.listener.original_dst.remote_ip',
  'envoy.hashable_string',
  'envoy.network.application_protocols',
  'envoy.network.ip',
  'envoy.network.transport_socket.original_dst_address',
  'envoy.network.upstream_server_name',
  'envoy.network.upstream_subject_alt_names',
  'envoy.ratelimit.hits_addend',
  'envoy.string',
  'envoy.tcp_proxy.cluster',
  'envoy.tcp_proxy.disable_tunneling',
  'envoy.tcp_proxy.per_connection_idle_timeout_ms',
  'envoy.upstream.dynamic_host',
  'envoy.upstream.dynamic_port',
]);

const NOT_BUILT: ReadonlySet<string> = new Set([
  'envoy.ai.llm_protocol.request',
  'envoy.ai.model.request',
  'envoy.network.network_namespace',
  'envoy.network.transport_socket.http_11_proxy.info',
  'envoy.router.debug_config',
]);

const EMPTY: AccessLogFormat = { kind: 'text', text: '', omitEmptyValues: false };

export function decodeSetFilterState(reader: FieldReader<Config>): SetFilterStateConfig {
  const values = reader.children('on_request_headers');
  return decodeFilterStateValues(values, reader.bool('clear_route_cache'));
}

export function decodeFilterStateValues(
  values: readonly FieldReader<FilterStateValue>[],
  clearRouteCache: boolean,
): SetFilterStateConfig {
  return {
    kind: 'set_filter_state',
    entries: values.map(decodeValue).filter((entry) => entry !== undefined),
    clearRouteCache,
    shared: values.some((value) => value.enumName('shared_with_upstream', 'NONE') !== 'NONE'),
  };
}

function decodeValue(reader: FieldReader<FilterStateValue>): SetFilterStateEntryConfig | undefined {
  const key = reader.requiredString('object_key');
  const format = reader.required('format_string');
  const named = reader.nonEmpty('factory_key');
  const factory = named ?? key;
  const field = named === undefined ? 'object_key' : 'factory_key';
  if (NOT_BUILT.has(factory))
    reader.problem(field, `objects of ${factory} are not supported by this version`);
  else if (key !== '' && !FACTORIES.has(factory))
    reader.problem(field, `'${key}' does not have an object factory`);
  return {
    key,
    factory: factory as FilterStateFactory,
    format: format === undefined ? EMPTY : decodeFormat(format),
    skipIfEmpty: reader.bool('skip_if_empty'),
  };
}
