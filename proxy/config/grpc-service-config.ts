// [b] A gRPC service at one of our clusters, as plain data.
import type { HeaderAddConfig } from './header-mutation-config.ts';
import type { RetryPolicyConfig } from './route-config.ts';

/** envoy.config.core.v3.GrpcService with `envoy_grpc`. */
export interface GrpcServiceConfig {
  readonly cluster: string;
  readonly authority: string;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly retryPolicy: RetryPolicyConfig | undefined;
  readonly initialMetadata: readonly HeaderAddConfig[];
  /** A longer answer is an error; 0: as long as any answer may be. */
  readonly maxMessageBytes: number;
}
