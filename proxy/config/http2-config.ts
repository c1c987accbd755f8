// [b] Settings of an HTTP/2 connection as plain data (envoy.config.core.v3.Http2ProtocolOptions; envoy-behaviour §2.2).

export interface Http2Config {
  /** Dynamic table our peer may use. */
  readonly hpackTableBytes: number;
  /** Downstream: told to the client. Upstream: the most streams we open on one connection. */
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  /** Extended CONNECT (RFC 8441). */
  readonly allowConnect: boolean;
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveEmptyFrames: number;
  readonly maxPriorityFramesPerStream: number;
  readonly maxWindowUpdatesPerDataFrame: number;
  /** A message that breaks the rules costs its stream only; else the whole connection. */
  readonly streamErrorOnInvalidMessage: boolean;
  readonly keepalive: Http2KeepaliveConfig | undefined;
}

export interface Http2KeepaliveConfig {
  /** Time between two PINGs; 0: none of their own accord. */
  readonly intervalMs: number;
  /** The peer is gone when nothing came this long after a PING. */
  readonly timeoutMs: number;
  readonly jitterPercent: number;
  /** A connection that was idle this long is asked before it gets a stream; 0: never. */
  readonly connectionIdleIntervalMs: number;
}

export const DEFAULT_HTTP2: Http2Config = {
  hpackTableBytes: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowBytes: 16 * 1024 * 1024,
  initialConnectionWindowBytes: 24 * 1024 * 1024,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveEmptyFrames: 1,
  maxPriorityFramesPerStream: 100,
  maxWindowUpdatesPerDataFrame: 10,
  streamErrorOnInvalidMessage: false,
  keepalive: undefined,
};
