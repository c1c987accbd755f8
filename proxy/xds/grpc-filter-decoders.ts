// [m] Settings of the filters that know gRPC: grpc_stats, grpc_web, grpc_http1_bridge.
import type { HttpFilterSettings } from '../config/http-filter-config.ts';
import type { TypedConfig } from './typed-config.ts';

export function decodeGrpcStats(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.grpc_stats.v3.FilterConfig');
  if (reader === undefined) return undefined;
  const services = reader.message.individual_method_stats_allowlist?.services ?? [];
  const listed = services.flatMap(({ name, method_names }) =>
    (method_names ?? []).map((method) => `/${name ?? ''}/${method}`),
  );
  return {
    kind: 'grpc_stats',
    emitFilterState: reader.bool('emit_filter_state'),
    enableUpstreamStats: reader.bool('enable_upstream_stats'),
    methods: reader.bool('stats_for_all_methods') ? 'all' : new Set(listed),
    replaceDots: reader.bool('replace_dots_in_grpc_service_name'),
  };
}

export function decodeGrpcWeb(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb');
  return reader && { kind: 'grpc_web' };
}

export function decodeGrpcHttp1Bridge(config: TypedConfig): HttpFilterSettings | undefined {
  const reader = config.as('envoy.extensions.filters.http.grpc_http1_bridge.v3.Config');
  return (
    reader && {
      kind: 'grpc_http1_bridge',
      upgradeProtobuf: reader.bool('upgrade_protobuf_to_grpc'),
      ignoreQueryParameters: reader.bool('ignore_query_parameters'),
    }
  );
}
