// [m] ShutdownPlan: how long which direction is served after SIGTERM (istio-contract §6.8), derived once, told in one line.
import type { LifecycleOptions } from '../lifecycle-options.ts';

export interface ShutdownPlan {
  /** Inbound drains for so long at least. */
  readonly drainMs: number;
  /** Then until no connection is left, where told so (EXIT_ON_ZERO_ACTIVE_CONNECTIONS). */
  readonly untilIdle: boolean;
  /** And until the application is gone; but never longer than so, from the signal on. */
  readonly mostMs: number;
  readonly text: string;
}

/** The proxy is asked to end, and what is left is told, before the kubelet kills all. */
const RESERVE_MS = 2500;

export function planShutdown(lifecycle: LifecycleOptions): ShutdownPlan {
  const { minimumDrainMs, terminationDrainMs, exitOnZeroConnections, gracePeriodMs } = lifecycle;
  const drainMs = exitOnZeroConnections ? minimumDrainMs : terminationDrainMs;
  const mostMs = Math.max(drainMs, gracePeriodMs - RESERVE_MS);
  const source = exitOnZeroConnections ? 'MINIMUM_DRAIN_DURATION' : 'terminationDrainDuration';
  const words = [`inbound drains for ${drainMs} ms (${source})`];
  if (exitOnZeroConnections) words.push('then until no connection is left');
  if (mostMs > drainMs) {
    words.push('outbound goes on until the application is gone');
    words.push(`all ends ${mostMs} ms after the signal (grace period ${gracePeriodMs} ms)`);
  }
  return { drainMs, untilIdle: exitOnZeroConnections, mostMs, text: words.join(', ') };
}
