// [m] Decodes when logs tell of streams that are not over (envoy-behaviour §11.1), in the new place and the old one.
import type { Router } from '../../xds-protos/gen/envoy.extensions.filters.http.router.v3.ts';
import type { HttpConnectionManager } from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { TcpProxy } from '../../xds-protos/gen/envoy.extensions.filters.network.tcp_proxy.v3.ts';
import type { Duration } from '../../xds-protos/well-known-types.ts';
import type { AccessLogOptionsConfig } from '../config/access-log-config.ts';
import type { FieldReader } from './field-reader.ts';

interface IntervalFields {
  readonly access_log_flush_interval?: Duration | undefined;
}

/** 0: none. */
function intervalMs(reader: FieldReader<IntervalFields>): number {
  return checked(reader, 'access_log_flush_interval', (field) => reader.optionalDurationMs(field));
}

function checked<K extends string>(
  reader: FieldReader<object>,
  field: K,
  read: (field: K) => number | undefined,
): number {
  const ms = read(field);
  if (ms === undefined) return 0;
  if (ms < 1) reader.problem(field, 'must be at least 1ms');
  return Math.max(1, ms);
}

const orUndefined = (options: AccessLogOptionsConfig): AccessLogOptionsConfig | undefined =>
  options.flushIntervalMs > 0 ||
  options.flushOnStart ||
  options.flushOnTunnel ||
  options.flushOnConnectionStart === true
    ? options
    : undefined;

/** Undefined: a line at the end only. */
export function decodeHttpLogOptions(
  reader: FieldReader<HttpConnectionManager>,
): AccessLogOptionsConfig | undefined {
  const options = reader.child('access_log_options');
  if (options === undefined) {
    return orUndefined({
      flushIntervalMs: intervalMs(reader),
      flushOnStart: reader.bool('flush_access_log_on_new_request'),
      flushOnTunnel: false,
    });
  }
  refuseOld(reader, 'flush_access_log_on_new_request');
  return orUndefined({
    flushIntervalMs: intervalMs(options),
    flushOnStart: options.bool('flush_access_log_on_new_request'),
    flushOnTunnel: options.bool('flush_log_on_tunnel_successfully_established'),
  });
}

export function decodeTcpLogOptions(
  reader: FieldReader<TcpProxy>,
): AccessLogOptionsConfig | undefined {
  const options = reader.child('access_log_options');
  if (options === undefined) {
    return orUndefined({
      flushIntervalMs: intervalMs(reader),
      flushOnStart: reader.bool('flush_access_log_on_connected'),
      flushOnTunnel: false,
    });
  }
  refuseOld(reader, 'flush_access_log_on_connected');
  return orUndefined({
    flushIntervalMs: intervalMs(options),
    flushOnStart: options.bool('flush_access_log_on_connected'),
    flushOnTunnel: false,
    flushOnConnectionStart: options.bool('flush_access_log_on_start'),
  });
}

export function decodeUpstreamLogOptions(
  reader: FieldReader<Router>,
): AccessLogOptionsConfig | undefined {
  const options = reader.child('upstream_log_options');
  return (
    options &&
    orUndefined({
      flushIntervalMs: checked(options, 'upstream_log_flush_interval', (field) =>
        options.optionalDurationMs(field),
      ),
      flushOnStart: options.bool('flush_upstream_log_on_upstream_stream'),
      flushOnTunnel: false,
    })
  );
}

/** As in Envoy: one place or the other. */
function refuseOld<T extends IntervalFields>(reader: FieldReader<T>, flag: keyof T & string): void {
  for (const field of ['access_log_flush_interval', flag] as const)
    if (
      reader.message[field as keyof T] !== undefined &&
      reader.message[field as keyof T] !== false
    )
      reader.problem(field, `only one of ${field} and access_log_options may be set`);
}
