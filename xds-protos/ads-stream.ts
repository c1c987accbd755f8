// [m] What a stream of the aggregated discovery service is to its user, client or server; services.ts makes them over gRPC.
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from './gen/envoy.service.discovery.v3.ts';

/** How a stream ended: a gRPC status code (0 is OK) and the words that came with it. */
export interface StreamStatus {
  readonly code: number;
  readonly reason: string;
}

/** Codes that users of a stream give or ask for (grpc/statuscodes). */
export const statusCode = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** One stream, seen from one of its ends. Set both listeners in the turn in which the stream was got. */
export interface AdsStream<Sent, Received> {
  /** What the peer sent as headers, names in lower case; on the client empty until they have come. */
  readonly metadata: ReadonlyMap<string, string>;
  onMessage(listener: (message: Received) => void): void;
  /**
   * Called once, with nothing after it; not called when this end cancelled or ended the stream. On the server OK and CANCELLED mean
   * the same: the client went away.
   */
  onEnd(listener: (status: StreamStatus) => void): void;
  /** Called when more may be sent after `send` returned false. */
  onDrain(listener: () => void): void;
  /** False when the peer does not keep up: the message is queued, better send no more until onDrain. Does nothing on a dead stream. */
  send(message: Sent): boolean;
  /** Drops the stream at once. No listener is called afterwards. */
  cancel(): void;
}

export interface AdsServerStream<Sent, Received> extends AdsStream<Sent, Received> {
  /** Address of the client such as `10.0.0.1:43210`; `unknown` on a unix socket. */
  readonly peer: string;
  /** DER of the certificate that the client showed, where TLS found it good. */
  readonly peerCertificate: Uint8Array | undefined;
  /** Ends the stream after what was sent, by default with OK. No listener is called afterwards. */
  end(status?: StreamStatus): void;
}

export type DeltaClientStream = AdsStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
export type SotwClientStream = AdsStream<DiscoveryRequest, DiscoveryResponse>;
export type DeltaServerStream = AdsServerStream<DeltaDiscoveryResponse, DeltaDiscoveryRequest>;
export type SotwServerStream = AdsServerStream<DiscoveryResponse, DiscoveryRequest>;
