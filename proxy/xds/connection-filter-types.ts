// [m] Full names of the messages that connection-filter-decoder.ts knows.
const FILTERS = 'envoy.extensions.filters.network';
export const CONNECTION_LIMIT = `${FILTERS}.connection_limit.v3.ConnectionLimit`;
export const LOCAL_RATE_LIMIT = `${FILTERS}.local_ratelimit.v3.LocalRateLimit`;
export const SET_FILTER_STATE = `${FILTERS}.set_filter_state.v3.Config`;
export const SNI_CLUSTER = `${FILTERS}.sni_cluster.v3.SniCluster`;
export const ECHO = `${FILTERS}.echo.v3.Echo`;
export const DIRECT_RESPONSE = `${FILTERS}.direct_response.v3.Config`;
export const SNI_FORWARD_PROXY = `${FILTERS}.sni_dynamic_forward_proxy.v3.FilterConfig`;
export const REDIS = `${FILTERS}.redis_proxy.v3.RedisProxy`;
export const THRIFT = `${FILTERS}.thrift_proxy.v3.ThriftProxy`;

export const CONNECTION_FILTERS: ReadonlySet<string> = new Set([
  CONNECTION_LIMIT,
  LOCAL_RATE_LIMIT,
  SET_FILTER_STATE,
  SNI_CLUSTER,
  ECHO,
  DIRECT_RESPONSE,
  SNI_FORWARD_PROXY,
  REDIS,
  THRIFT,
]);
