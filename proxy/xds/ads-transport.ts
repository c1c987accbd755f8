// [m] What AdsClient needs of a stream; grpc-ads-transport.ts fulfils it over gRPC, tests may with plain objects.
import type { AdsMode, AdsRequest, AdsResponse } from './ads-mux.ts';

export interface AdsStreamHandlers {
  onResponse(response: AdsResponse): void;
  /** Once, and nothing after it. `ok`: the server ended the stream by itself. */
  onEnd(end: { readonly ok: boolean; readonly reason: string }): void;
}

export interface AdsStream {
  /** `withNode`: the request carries the node. Never throws; a dead stream reports by onEnd. */
  send(request: AdsRequest, withNode: boolean): void;
  /** No handler is called afterwards. */
  cancel(): void;
}

export interface AdsTransport {
  open(mode: AdsMode, handlers: AdsStreamHandlers): AdsStream;
  close(): void;
}
