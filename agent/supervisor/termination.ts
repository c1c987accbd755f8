// [m] Termination: drain, wait, stop; the ways in which a sidecar leaves (istio-contract §6.8). Istio: pkg/envoy/agent.go.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { LifecycleOptions } from '../lifecycle-options.ts';
import type { AgentAddresses } from '../pod-addresses.ts';
import type { ProxyAdmin } from '../proxy-admin.ts';
import { describeExit } from './exit-reason.ts';
import type { PodSockets, SocketCensus } from './pod-sockets.ts';
import type { ProxyProcess } from './proxy-process.ts';
import { planShutdown } from './shutdown-plan.ts';
import type { ShutdownPlan } from './shutdown-plan.ts';

export interface TerminationParts {
  readonly proxy: ProxyProcess;
  readonly admin: ProxyAdmin;
  readonly sockets: PodSockets;
  readonly lifecycle: LifecycleOptions;
  /** Of a sidecar; a router drains as a whole. */
  readonly inboundOnly: boolean;
  readonly addresses: AgentAddresses;
  readonly logger: Logger;
  readonly time: TimeSource;
}

/** Between SIGTERM and SIGKILL, once draining is over. */
const STOP_GRACE_MS = 2000;
const ACTIVE_POLL_MS = 1000;
const APPLICATION_POLL_MS = 500;
const MAX_POLL_FAILURES = 5;

/** Connections of applications; the proxy's own doors do not count. Keys are stat names. */
export function countActiveConnections(
  values: ReadonlyMap<string, number>,
  ownListeners: readonly string[],
): number {
  let active = 0;
  for (const [name, value] of values) {
    if (!name.startsWith('listener.') || !name.endsWith('.downstream_cx_active')) continue;
    if (name.includes('worker_') || name.includes('envoy_internal_')) continue;
    const listener = name.slice('listener.'.length, -'.downstream_cx_active'.length);
    if (!ownListeners.includes(listener)) active += value;
  }
  return active;
}

export class Termination {
  readonly #parts: TerminationParts;
  readonly #plan: ShutdownPlan;
  #drained = false;
  #leaving: Promise<void> | undefined;
  #startedMs = 0;
  #hurry: () => void = () => {};
  readonly #hurried: Promise<void>;
  #isHurried = false;

  constructor(parts: TerminationParts) {
    this.#parts = parts;
    this.#plan = planShutdown(parts.lifecycle);
    this.#hurried = new Promise((resolve) => (this.#hurry = resolve));
  }

  /** True from the first signal or /quitquitquit on: the agent is not ready any more. */
  get leaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** `/drain`: inbound drains, the process stays. A later signal then ends it without waiting again. */
  async drainOnly(): Promise<void> {
    if (this.#drained || this.#leaving !== undefined) return;
    this.#drained = true;
    await this.#drain(true);
  }

  /** On a signal. A second one ends what the first began at once. */
  terminate(): Promise<void> {
    if (this.#leaving === undefined) this.#leaving = this.#drainAndStop();
    else this.#hurryUp();
    return this.#leaving;
  }

  /** `/quitquitquit`: no draining. */
  quit(): Promise<void> {
    this.#leaving ??= this.#stop();
    return this.#leaving;
  }

  async #drain(skipExit: boolean): Promise<void> {
    const { admin, inboundOnly } = this.#parts;
    const problem = await admin.drainListeners({ inboundOnly, skipExit });
    if (problem !== undefined) this.#parts.logger.warn(`could not start draining: ${problem}`);
  }

  async #drainAndStop(): Promise<void> {
    const { proxy, logger, time } = this.#parts;
    this.#startedMs = time.monotonicMs();
    proxy.stayDown();
    if (this.#drained || proxy.pid === undefined) {
      logger.info(`shutting down at once: ${this.#drained ? 'drained before' : 'no proxy runs'}`);
      await this.#stop();
      return;
    }
    logger.info(`shutting down: ${this.#plan.text}`);
    await this.#drain(false);
    await this.#sleep(this.#plan.drainMs, this.#plan.mostMs);
    if (this.#plan.untilIdle) await this.#untilNoConnections();
    await this.#untilApplicationGone();
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const { proxy, sockets, logger, time } = this.#parts;
    proxy.stayDown();
    const left = sockets.count(proxy.pid);
    const exit = await proxy.stop(STOP_GRACE_MS);
    const tookMs = Math.round(time.monotonicMs() - this.#startedMs);
    const since = this.#startedMs === 0 ? '' : ` ${tookMs} ms after the signal`;
    logger.info(`proxy ${describeExit(exit)}${since}; ${cutText(left)}`);
  }

  #hurryUp(): void {
    const { logger, proxy } = this.#parts;
    logger.warn('asked again to end: not waiting any longer');
    if (this.#isHurried) proxy.killNow();
    this.#isHurried = true;
    this.#hurry();
  }

  /** Something may still be waited for. `mostMs`: from the signal on. */
  #mayWait(mostMs: number): boolean {
    return this.#parts.proxy.pid !== undefined && !this.#isHurried && this.#leftMs(mostMs) > 0;
  }

  #leftMs(mostMs: number): number {
    return this.#startedMs + mostMs - this.#parts.time.monotonicMs();
  }

  /** Ends early when the proxy is gone, `mostMs` after the signal, and when asked again. */
  async #sleep(ms: number, mostMs: number): Promise<void> {
    const { proxy, time } = this.#parts;
    let timer: TimerHandle | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = time.setTimer(resolve, Math.max(0, Math.min(ms, this.#leftMs(mostMs))));
    });
    await Promise.race([slept, proxy.ended, this.#hurried]);
    timer?.cancel();
  }

  async #untilNoConnections(): Promise<void> {
    const { admin, addresses, logger } = this.#parts;
    const { idleMostMs } = this.#plan;
    // In stat names an IPv6 address has its colons replaced.
    const bind = addresses.bind.includes(':')
      ? `[${addresses.bind.replaceAll(':', '_')}]`
      : addresses.bind;
    const own = [
      `${bind}_${addresses.readyPort}`,
      `${bind}_${addresses.prometheusPort}`,
      'admin',
      'admin.main_thread',
    ];
    let failures = 0;
    while (this.#mayWait(idleMostMs) && failures < MAX_POLL_FAILURES) {
      const stats = await admin.stats('downstream_cx_active$');
      if (stats.ok) {
        failures = 0;
        const active = countActiveConnections(stats.values, own);
        if (active === 0) return;
        logger.debug(`${active} connections left`);
      } else {
        failures++;
        logger.warn(`could not count connections: ${stats.reason}`);
      }
      await this.#sleep(ACTIVE_POLL_MS, idleMostMs);
    }
  }

  /** Whoever still has requests to make, or answers to give, needs the way out. */
  async #untilApplicationGone(): Promise<void> {
    const { proxy, sockets, logger } = this.#parts;
    const { mostMs } = this.#plan;
    let told = false;
    while (this.#mayWait(mostMs)) {
      const census = sockets.count(proxy.pid);
      if (census === undefined || (census.outbound === 0 && !census.applicationListens)) return;
      if (!told) {
        const why = census.applicationListens ? 'it listens' : `${census.outbound} connections out`;
        logger.info(`waiting for the application, which is still there: ${why}`);
      }
      told = true;
      await this.#sleep(APPLICATION_POLL_MS, mostMs);
    }
  }
}

function cutText(left: SocketCensus | undefined): string {
  if (left === undefined) return 'what was cut, the kernel does not say';
  if (left.inbound + left.outbound === 0) return 'no connection was cut';
  return `cut: ${left.inbound} inbound and ${left.outbound} outbound connections`;
}
