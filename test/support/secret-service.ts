// SecretDiscoveryService (SDS) over @grpc/grpc-js, client and server: the other end of our agent and of our proxy.
import type { handleBidiStreamingCall } from '@grpc/grpc-js';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import {
  connect,
  methodDefinition,
  openStream,
  ServerStream,
} from '../../xds-protos/grpc-library.ts';
import type { ConnectionOptions } from '../../xds-protos/grpc-library.ts';
import type { GrpcServer } from '../../xds-protos/grpc-server.ts';
import { deltaMethod, sotwMethod } from '../../xds-protos/discovery-methods.ts';
import type { AdsConnection, AdsHandlers } from '../../xds-protos/services.ts';

const DELTA_SECRETS_METHOD = deltaMethod('secrets');
const SOTW_SECRETS_METHOD = sotwMethod('secrets');

/** As `connectAds`. */
export function connectSecrets(target: string, options: ConnectionOptions = {}): AdsConnection {
  const client = connect(target, options);
  return {
    delta: (headers) => openStream(client, DELTA_SECRETS_METHOD, headers),
    sotw: (headers) => openStream(client, SOTW_SECRETS_METHOD, headers),
    close: () => client.close(),
  };
}

/** Once for each server, before it listens. */
export function serveSecrets(server: GrpcServer, handlers: AdsHandlers): void {
  const onDelta: handleBidiStreamingCall<
    MessageTypes[typeof DELTA_SECRETS_METHOD.request],
    MessageTypes[typeof DELTA_SECRETS_METHOD.response]
  > = (call) => handlers.delta(new ServerStream(call));
  const onSotw: handleBidiStreamingCall<
    MessageTypes[typeof SOTW_SECRETS_METHOD.request],
    MessageTypes[typeof SOTW_SECRETS_METHOD.response]
  > = (call) => handlers.sotw(new ServerStream(call));
  server.grpc.addService(
    {
      DeltaSecrets: methodDefinition(DELTA_SECRETS_METHOD),
      StreamSecrets: methodDefinition(SOTW_SECRETS_METHOD),
    },
    { DeltaSecrets: onDelta, StreamSecrets: onSotw },
  );
}
