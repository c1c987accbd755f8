// [b] Tracing as plain data: which requests are traced, and what a route calls its operation.

export interface SamplingFraction {
  readonly numerator: number;
  readonly denominator: number;
}

export interface SamplingConfig {
  /** Of requests with x-client-trace-id. */
  readonly client: SamplingFraction;
  /** Of all others. */
  readonly random: SamplingFraction;
  /** Of those that were chosen in one way or another. */
  readonly overall: SamplingFraction;
}

/** What a route says of tracing. */
export interface RouteTracingConfig {
  /** `decorator.operation`; '' when absent. */
  readonly operation: string;
  /** The operation is passed on in x-envoy-decorator-operation. */
  readonly propagate: boolean;
  /** In place of the connection manager's. */
  readonly sampling: SamplingConfig | undefined;
}
