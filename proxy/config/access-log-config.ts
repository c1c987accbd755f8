// [b] Access logs as plain data (envoy.config.accesslog.v3, file and stream loggers).
import type { FractionConfig, HeaderMatchConfig, MetadataMatchConfig } from './matcher-config.ts';

export interface AccessLogConfig {
  readonly name: string;
  readonly sink: AccessLogSink;
  /** Undefined: every request. */
  readonly filter: AccessLogFilterConfig | undefined;
}

export type AccessLogSink =
  | { readonly kind: 'file'; readonly path: string; readonly format: AccessLogFormat }
  | { readonly kind: 'stdout'; readonly format: AccessLogFormat }
  | { readonly kind: 'stderr'; readonly format: AccessLogFormat }
  | GrpcLogConfig
  /** Known by name, not built yet (OpenTelemetry, Wasm): writes nothing, said so in dumps. */
  | { readonly kind: 'inert'; readonly typeUrl: string };

/** The gRPC access log service (envoy.extensions.access_loggers.grpc.v3). */
export interface GrpcLogConfig {
  readonly kind: 'grpc';
  readonly entries: 'http' | 'tcp';
  readonly logName: string;
  /** Where the service is; resolved when a stream is opened. */
  readonly cluster: string;
  /** `:authority` of its stream. */
  readonly authority: string;
  readonly initialMetadata: ReadonlyMap<string, string>;
  /** Entries wait so long at most, … */
  readonly flushIntervalMs: number;
  /** … or until they are about that many bytes. */
  readonly bufferBytes: number;
  readonly filterStateObjects: readonly string[];
  readonly tags: readonly LogTagConfig[];
  /** Lower-case names beside those every entry has. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly responseTrailers: readonly string[];
}

/** envoy.type.tracing.v3.CustomTag. A tag whose value is '' is left out. */
export interface LogTagConfig {
  readonly tag: string;
  readonly source:
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'environment'; readonly name: string }
    | { readonly kind: 'request_header'; readonly name: string }
    | {
        readonly kind: 'metadata';
        readonly of: 'request' | 'route' | 'cluster' | 'host';
        /** Namespace first. */
        readonly path: readonly string[];
      };
  readonly fallback: string;
}

/** envoy.config.core.v3.SubstitutionFormatString: of logs, and of `local_reply_config`. */
export type AccessLogFormat = (
  | { readonly kind: 'text'; readonly text: string }
  /** JSON text of the format struct; values are format strings. */
  | { readonly kind: 'json'; readonly json: string }
) & {
  readonly omitEmptyValues: boolean;
  /** The formatter extension `req_without_query` is listed. */
  readonly reqWithoutQuery?: boolean | undefined;
  /** '' or absent: by the kind of the format. Of local replies only. */
  readonly contentType?: string | undefined;
};

/** Lines before a stream's or connection's end. */
export interface AccessLogOptionsConfig {
  /** A line each so often, while the stream lives; 0: none. */
  readonly flushIntervalMs: number;
  /** A line when a request has its route; for TCP, when the upstream is connected. */
  readonly flushOnStart: boolean;
  /** A line when an upgrade or CONNECT is accepted. */
  readonly flushOnTunnel: boolean;
  /** For TCP: a line when the session begins; absent: none. */
  readonly flushOnConnectionStart?: boolean;
}

/** What made a log line (Envoy's AccessLogType), by the names `%ACCESS_LOG_TYPE%` prints. */
export type AccessLogType =
  | 'NotSet'
  | 'TcpUpstreamConnected'
  | 'TcpPeriodic'
  | 'TcpConnectionStart'
  | 'TcpConnectionEnd'
  | 'DownstreamStart'
  | 'DownstreamTunnelSuccessfullyEstablished'
  | 'DownstreamPeriodic'
  | 'DownstreamEnd'
  | 'UpstreamPoolReady'
  | 'UpstreamPeriodic'
  | 'UpstreamEnd';

/** `runtimeKey`: asked of the runtime first; absent or '': there is none. */
export interface ComparisonConfig {
  readonly op: 'EQ' | 'GE' | 'LE' | 'NE';
  readonly value: number;
  readonly runtimeKey?: string | undefined;
}

export type AccessLogFilterConfig =
  | ({ readonly kind: 'status_code' } & ComparisonConfig)
  /** Milliseconds. */
  | ({ readonly kind: 'duration' } & ComparisonConfig)
  /** None: any flag. */
  | { readonly kind: 'response_flag'; readonly flags: readonly string[] }
  | { readonly kind: 'not_health_check' }
  /** Requests that are traced because a service forced it. */
  | { readonly kind: 'traceable' }
  | { readonly kind: 'header'; readonly match: HeaderMatchConfig }
  | {
      readonly kind: 'grpc_status';
      readonly statuses: readonly number[];
      readonly exclude: boolean;
    }
  | {
      readonly kind: 'log_type';
      readonly types: readonly AccessLogType[];
      readonly exclude: boolean;
    }
  | {
      readonly kind: 'runtime';
      readonly fraction: FractionConfig;
      /** A number of its own for each entry, instead of the request id's. */
      readonly independent: boolean;
    }
  | {
      readonly kind: 'metadata';
      /** Undefined: no key is ever found. */
      readonly match: MetadataMatchConfig | undefined;
      readonly matchIfKeyNotFound: boolean;
    }
  | { readonly kind: 'and'; readonly filters: readonly AccessLogFilterConfig[] }
  | { readonly kind: 'or'; readonly filters: readonly AccessLogFilterConfig[] }
  /** Known, not evaluated (CEL): lets everything through, said so in dumps. */
  | { readonly kind: 'inert'; readonly typeUrl: string };
