// [w] The contract of every codec. Directions as Envoy has them: decode = away from the client, encode = towards it.
//
//   downstream socket → ServerConnection ──decode──▶ RequestDecoder      … filters … RequestEncoder ─▶ upstream socket
//   downstream socket ◀─ ResponseEncoder ◀─encode── filters … ◀─decode── ResponseDecoder ◀─ ClientConnection
//
// A `chunk` handed on is valid only during the call (it is a view of the thread's read buffer): who keeps it, copies.
// Nobody may be called after resetStream() or onResetStream().
import type { WireCounts } from '../stream-info/stream-meter.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';

/** Why a stream died before its end. Texts are the tails of response code details (envoy-behaviour §5.1). */
export const StreamResetReason = {
  LocalConnectionFailure: 'local connection failure',
  RemoteConnectionFailure: 'remote connection failure',
  ConnectionTimeout: 'connection timeout',
  ConnectionTermination: 'connection termination',
  LocalReset: 'local reset',
  RemoteReset: 'remote reset',
  /** RST_STREAM with CONNECT_ERROR. */
  ConnectError: 'remote error with CONNECT request',
  RemoteRefusedStreamReset: 'remote refused stream reset',
  Overflow: 'overflow',
  ProtocolError: 'protocol error',
} as const;
export type StreamResetReason = (typeof StreamResetReason)[keyof typeof StreamResetReason];

/** What a stream's user is told about the socket underneath. */
export interface StreamCallbacks {
  onResetStream(reason: StreamResetReason, details: string): void;
  /** The peer takes bytes slower than they come: stop sending. Calls come in pairs, above then below. */
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** Receives one request. Called in order: headers, data*, trailers?; `endStream` true exactly once. */
export interface RequestDecoder {
  decodeHeaders(headers: RequestHeaders, endStream: boolean): void;
  decodeData(chunk: Buffer, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
}

/** Sends one response. Same order as above. */
export interface ResponseEncoder {
  /** 100, 102, 103 … (not 101). */
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(chunk: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Stops or resumes reading the request's body; calls nest. */
  readDisable(disable: boolean): void;
  resetStream(reason: StreamResetReason): void;
  setCallbacks(callbacks: StreamCallbacks): void;
  /** Counts the stream's bytes on the wire into `counts`: its request's head, and all that comes and goes from now on. */
  meter(counts: WireCounts): void;
}

/** Receives one response. */
export interface ResponseDecoder {
  decode1xxHeaders(headers: ResponseHeaders): void;
  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  decodeData(chunk: Buffer, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
}

/** Sends one request. */
export interface RequestEncoder {
  encodeHeaders(headers: RequestHeaders, endStream: boolean): void;
  encodeData(chunk: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Stops or resumes reading the response's body; calls nest. */
  readDisable(disable: boolean): void;
  /** Ends the stream at once. The other side hears of it; this side's onResetStream is NOT called. */
  resetStream(reason: StreamResetReason): void;
  setCallbacks(callbacks: StreamCallbacks): void;
  /** After the answer to an upgrade or CONNECT was accepted: bytes flow raw both ways. */
  enableTunnel(): void;
  /** Counts the stream's bytes on the wire into `counts` from now on; before encodeHeaders(). */
  meter(counts: WireCounts): void;
}

export type HttpProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
