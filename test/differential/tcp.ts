// Filter chains of rows about TCP: a tcp_proxy, filters before it, a log of its own.
import type { CaseConfig, Json } from './row.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.';

export const TCP_LOG =
  '%RESPONSE_FLAGS% [%CONNECTION_TERMINATION_DETAILS%] in=%BYTES_RECEIVED% out=%BYTES_SENT% %UPSTREAM_CLUSTER% ' +
  'tries=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %ACCESS_LOG_TYPE% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_TRANSPORT_FAILURE_REASON%';

export const fileLog = (format: string = TCP_LOG): Json => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': `${TYPE}access_loggers.file.v3.FileAccessLog`,
    path: 'LOG',
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  },
});

/** `type` without what all types begin with, and without the version's dot: `filters.network.echo.v3.Echo`. */
export const extension = (name: string, type: string, fields: Json = {}): Json => ({
  name,
  typed_config: { '@type': `${TYPE}${type}`, ...fields },
});

export const tcpProxy = (fields: Json = {}): Json =>
  extension('envoy.filters.network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: 'CASE',
    ...('weighted_clusters' in fields ? {} : { cluster: 'CASE-up' }),
    access_log: [fileLog()],
    ...fields,
  });

/** One chain of these filters. */
export const filters = (list: readonly Json[], more: Json = {}): CaseConfig => ({
  listener: { filter_chains: [{ filters: list }], ...more },
});

/** One chain of a tcp_proxy. */
export const tcp = (fields: Json = {}, more: Json = {}): CaseConfig =>
  filters([tcpProxy(fields)], more);
