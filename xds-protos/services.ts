// [m] ADS clients and servers over @grpc/grpc-js (xds-protocol, "Aggregated Discovery Service"): the control plane, tests.
import type { handleBidiStreamingCall } from '@grpc/grpc-js';
import { deltaMethod, sotwMethod } from './discovery-methods.ts';
import type {
  DeltaClientStream,
  DeltaServerStream,
  SotwClientStream,
  SotwServerStream,
} from './ads-stream.ts';
import type { MessageTypes } from './gen/message-types.ts';
import { connect, methodDefinition, openStream, ServerStream } from './grpc-library.ts';
import type { ConnectionOptions, StreamHeaders } from './grpc-library.ts';
import { GrpcServer } from './grpc-server.ts';

const DELTA_METHOD = deltaMethod('aggregated');
const SOTW_METHOD = sotwMethod('aggregated');

export interface AdsConnection {
  delta(headers?: StreamHeaders): DeltaClientStream;
  sotw(headers?: StreamHeaders): SotwClientStream;
  /** Closes the connection once its streams have ended; cancel them first. */
  close(): void;
}

export interface AdsHandlers {
  /** A client opened DeltaAggregatedResources. */
  delta(stream: DeltaServerStream): void;
  /** A client opened StreamAggregatedResources. */
  sotw(stream: SotwServerStream): void;
}

/**
 * A connection to an ADS server, opened with its first stream and again, when it broke, with the next. Target: `host:port`,
 * `unix:/path` or `unix:path`. When the server cannot be reached the stream ends with UNAVAILABLE.
 */
export function connectAds(target: string, options: ConnectionOptions = {}): AdsConnection {
  const client = connect(target, options);
  return {
    delta: (headers) => openStream(client, DELTA_METHOD, headers),
    sotw: (headers) => openStream(client, SOTW_METHOD, headers),
    close: () => client.close(),
  };
}

export class AdsServer extends GrpcServer {
  /** Once, before `listen`. */
  addHandlers(handlers: AdsHandlers): void {
    const definition = {
      StreamAggregatedResources: methodDefinition(SOTW_METHOD),
      DeltaAggregatedResources: methodDefinition(DELTA_METHOD),
    };
    const onDelta: handleBidiStreamingCall<
      MessageTypes[typeof DELTA_METHOD.request],
      MessageTypes[typeof DELTA_METHOD.response]
    > = (call) => handlers.delta(new ServerStream(call));
    const onSotw: handleBidiStreamingCall<
      MessageTypes[typeof SOTW_METHOD.request],
      MessageTypes[typeof SOTW_METHOD.response]
    > = (call) => handlers.sotw(new ServerStream(call));
    this.grpc.addService(definition, {
      DeltaAggregatedResources: onDelta,
      StreamAggregatedResources: onSotw,
    });
  }
}
