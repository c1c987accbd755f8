// [m] Termination: drain, wait, stop; the ways in which a sidecar leaves (istio-contract §6.8). Istio: pkg/envoy/agent.go.
import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { LifecycleOptions } from '../options.ts';
import type { AgentAddresses } from '../pod-addresses.ts';
import type { ProxyAdmin } from '../proxy-admin.ts';
import type { ProxyProcess } from './proxy-process.ts';

export interface TerminationParts {
  readonly proxy: ProxyProcess;
  readonly admin: ProxyAdmin;
  readonly lifecycle: LifecycleOptions;
  readonly addresses: AgentAddresses;
  readonly logger: Logger;
  readonly time: TimeSource;
}

/** Between SIGTERM and SIGKILL, once draining is over. */
const STOP_GRACE_MS = 2000;
const ACTIVE_POLL_MS = 1000;
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
  #drained = false;
  #leaving: Promise<void> | undefined;

  constructor(parts: TerminationParts) {
    this.#parts = parts;
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

  /** On a signal. Repeated calls share the first one's end. */
  terminate(): Promise<void> {
    this.#leaving ??= this.#drainAndStop();
    return this.#leaving;
  }

  /** `/quitquitquit`: no draining. */
  quit(): Promise<void> {
    this.#leaving ??= this.#stop();
    return this.#leaving;
  }

  async #drain(skipExit: boolean): Promise<void> {
    const problem = await this.#parts.admin.drainListeners(skipExit);
    if (problem !== undefined) this.#parts.logger.warn(`could not start draining: ${problem}`);
  }

  async #drainAndStop(): Promise<void> {
    const { proxy, lifecycle, logger } = this.#parts;
    proxy.stayDown();
    if (this.#drained || proxy.pid === undefined) {
      await this.#stop();
      return;
    }
    await this.#drain(false);
    if (lifecycle.exitOnZeroConnections) {
      logger.info(
        `draining for at least ${lifecycle.minimumDrainMs} ms, then until no connection is left`,
      );
      await this.#sleep(lifecycle.minimumDrainMs);
      await this.#untilNoConnections();
    } else {
      logger.info(`graceful termination period is ${lifecycle.terminationDrainMs} ms, starting`);
      await this.#sleep(lifecycle.terminationDrainMs);
    }
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const { proxy } = this.#parts;
    proxy.stayDown();
    await proxy.stop(STOP_GRACE_MS);
  }

  /** Ends early when the proxy is gone. */
  #sleep(ms: number): Promise<unknown> {
    const { proxy, time } = this.#parts;
    const slept = new Promise<void>((resolve) => time.setTimer(resolve, ms));
    return Promise.race([slept, proxy.ended]);
  }

  async #untilNoConnections(): Promise<void> {
    const { proxy, admin, addresses, logger } = this.#parts;
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
    while (proxy.pid !== undefined && failures < MAX_POLL_FAILURES) {
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
      await this.#sleep(ACTIVE_POLL_MS);
    }
  }
}
