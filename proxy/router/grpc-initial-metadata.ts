// [b] `initial_metadata` of a gRPC service: headers of each call to it.
import type { GrpcServiceConfig } from '../config/grpc-service-config.ts';
import { HeaderOperations } from './header-operations.ts';
import type { RouteEnvironment } from './route-environment.ts';

/** Throws ConfigError for a bad %COMMAND%. */
export const initialMetadata = (
  config: GrpcServiceConfig,
  environment: RouteEnvironment,
): HeaderOperations =>
  new HeaderOperations(
    config.initialMetadata.map((add) => ({ kind: 'append', add })),
    'grpc_service.initial_metadata',
    environment,
  );
