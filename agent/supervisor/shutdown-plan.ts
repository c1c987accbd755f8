// [m] ShutdownPlan: how long which direction is served after SIGTERM (istio-contract §6.8), derived once, told in one line.
import type { LifecycleOptions } from '../lifecycle-options.ts';

export interface ShutdownPlan {
  /** Inbound drains for so long at least. */
  readonly drainMs: number;
  /** Then until no connection is left, where told so (EXIT_ON_ZERO_ACTIVE_CONNECTIONS). */
  readonly untilIdle: boolean;
  /** But no longer than so, from the signal on. Infinity: until the kubelet ends it, as stock, which knows of no grace period either. */
  readonly idleMostMs: number;
  /** And until the application is gone; but no longer than so, from the signal on. */
  readonly mostMs: number;
  readonly text: string;
}

/** The proxy is asked to end, and what is left is told, before the kubelet kills all. */
const RESERVE_MS = 2500;

export function planShutdown(lifecycle: LifecycleOptions): ShutdownPlan {
  const { minimumDrainMs, terminationDrainMs, exitOnZeroConnections, gracePeriodMs } = lifecycle;
  const { graceIsKnown } = lifecycle;
  const drainMs = exitOnZeroConnections ? minimumDrainMs : terminationDrainMs;
  const mostMs = Math.max(drainMs, gracePeriodMs - RESERVE_MS);
  const source = exitOnZeroConnections ? 'MINIMUM_DRAIN_DURATION' : 'terminationDrainDuration';
  const words = [`inbound drains for ${drainMs} ms (${source})`];
  if (exitOnZeroConnections) {
    const bound = graceIsKnown ? '' : ', however long that takes';
    words.push(`then until no connection is left${bound}`);
  }
  if (mostMs > drainMs) {
    words.push('outbound goes on until the application is gone');
    const all = exitOnZeroConnections && !graceIsKnown ? 'that' : 'all';
    words.push(`${all} ends ${mostMs} ms after the signal (grace period ${gracePeriodMs} ms)`);
  }
  return {
    drainMs,
    untilIdle: exitOnZeroConnections,
    idleMostMs: graceIsKnown ? mostMs : Infinity,
    mostMs,
    text: words.join(', '),
  };
}
