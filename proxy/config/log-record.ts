// [b] One entry of the gRPC access log service as workers hand it to main: plain data, made of what the wire and the
// configuration say. Main turns it into protobuf (xds/log-record-encoder.ts).
import type { AccessLogType } from './access-log-config.ts';

/** As dynamic metadata has it: structs are Maps, strings byte strings. */
export type RecordedValue =
  | null
  | boolean
  | number
  | string
  | readonly RecordedValue[]
  | ReadonlyMap<string, RecordedValue>;

/** Text off the wire: one character a byte, as header values are. */
export type WireText = string;

/** Milliseconds since the start; NaN where it never came. */
export interface RecordedTimes {
  readonly lastReceived: number;
  readonly firstUpstreamSent: number;
  readonly lastUpstreamSent: number;
  readonly firstUpstreamReceived: number;
  readonly lastUpstreamReceived: number;
  readonly firstSent: number;
  readonly lastSent: number;
  readonly duration: number;
}

export interface RecordedBytes {
  readonly downstreamSent: number;
  readonly downstreamReceived: number;
  readonly upstreamSent: number;
  readonly upstreamReceived: number;
}

export interface LogRecord {
  readonly type: AccessLogType;
  /** `ip:port`; '' where there is none. */
  readonly downstreamRemote: string;
  readonly downstreamLocal: string;
  readonly downstreamDirectRemote: string;
  readonly upstreamRemote: string;
  readonly upstreamLocal: string;
  /** With its fraction. */
  readonly startWallMs: number;
  readonly times: RecordedTimes;
  readonly wire: RecordedBytes;
  readonly upstreamCluster: string;
  readonly routeName: string;
  /** Short names, `UF,URX`; '' for none. */
  readonly flags: string;
  readonly attemptCount: number;
  readonly streamId: WireText;
  readonly upstreamTransportFailureReason: string;
  readonly connectionTerminationDetails: string;
  readonly metadata: ReadonlyMap<string, ReadonlyMap<string, RecordedValue>>;
  readonly filterState: ReadonlyMap<string, WireText>;
  readonly tags: ReadonlyMap<string, WireText>;
  /** Absent: of TCP. */
  readonly http?: HttpRecord | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface HttpRecord {
  readonly protocol: string;
  readonly request: RequestRecord | undefined;
  readonly responseCode: number;
  readonly responseCodeDetails: string;
  readonly responseHeadersBytes: number;
  readonly responseHeaders: ReadonlyMap<string, WireText>;
  readonly responseTrailers: ReadonlyMap<string, WireText>;
  readonly downstreamHeaderBytesSent: number;
  readonly upstreamHeaderBytesReceived: number;
}

export interface RequestRecord {
  readonly method: string;
  readonly scheme: string;
  readonly authority: WireText;
  readonly path: WireText;
  readonly userAgent: WireText;
  readonly referer: WireText;
  readonly forwardedFor: WireText;
  readonly requestId: WireText;
  readonly originalPath: WireText;
  readonly headersBytes: number;
  readonly headers: ReadonlyMap<string, WireText>;
  readonly downstreamHeaderBytesReceived: number;
  readonly upstreamHeaderBytesSent: number;
}
