// [m] The contract of probes: how one host is asked whether it is well. A session (health-session.ts) says when, and
// what the answer means.

/** What came of one check. */
export const ProbeResult = {
  Healthy: 'healthy',
  /** Healthy, and said `x-envoy-degraded`. */
  Degraded: 'degraded',
  /** It answered, and wrongly: no second chance. */
  Failed: 'failed',
  /** It answered with a status that may have several chances. */
  Retriable: 'retriable',
  /** No connection, or a broken one. */
  Network: 'network',
} as const;
export type ProbeResult = (typeof ProbeResult)[keyof typeof ProbeResult];

export interface ProbeOwner {
  /**
   * At most once after each start(); not after abort() or close(). May come before start() returns. `status`: of an HTTP
   * answer, else 0.
   */
  onProbeResult(result: ProbeResult, status: number): void;
  /** The answer says `x-envoy-immediate-health-check-fail`; the result follows. */
  onImmediateFail(): void;
}

export interface Probe {
  /** Begins a check; the one before is over. */
  start(): void;
  /** Time is up: the check is given up, its connection with it. */
  abort(): void;
  /** For good. */
  close(): void;
}
