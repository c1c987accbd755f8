// [m] ProxyProcess: starts the proxy, watches it, starts it again with back-off. Istio: pkg/envoy/{agent,proxy}.go (stock: one start, no restart).
import type { ChildProcess } from 'node:child_process';

import { JitteredBackoff } from '../../proxy/base/backoff.ts';
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import { describeExit, isHopeless } from './exit-reason.ts';
import type { Flight } from './flight-record.ts';
import type { ProxyExit } from './exit-reason.ts';
import type { ProxyCommand } from './proxy-command.ts';
import { spawnBound } from './spawn-bound.ts';

export interface RestartPolicy {
  /** Restarts in a row before giving up; 0: leave with the proxy, as stock does. */
  readonly budget: number;
  readonly firstDelayMs: number;
  readonly mostDelayMs: number;
  /** A run of this length forgets the failures before it. */
  readonly stableRunMs: number;
}

export interface ProxyProcessParts {
  readonly command: ProxyCommand;
  readonly policy: RestartPolicy;
  readonly logger: Logger;
  readonly time: TimeSource;
  readonly random: RandomSource;
  /** Before each start but the first. */
  readonly onRestart: () => void;
  /** What it writes to standard error. */
  readonly onOutput: (chunk: Buffer, epoch: number) => void;
  /** Each end that nobody asked for. */
  readonly onUnaskedExit: (flight: Flight) => void;
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly sinceMs: number }
  | { readonly kind: 'waiting'; readonly timer: TimerHandle; readonly exit: ProxyExit }
  | { readonly kind: 'ended' };

/** Restart delays are short because traffic of the pod stands still meanwhile. */
export const defaultRestartPolicy = (budget: number): RestartPolicy => ({
  budget,
  firstDelayMs: 100,
  mostDelayMs: 10_000,
  stableRunMs: 60_000,
});

export class ProxyProcess {
  /** Resolves once, when the proxy is gone for good. */
  readonly ended: Promise<ProxyExit>;
  readonly #parts: ProxyProcessParts;
  readonly #backoff: JitteredBackoff;
  readonly #resolveEnded: (exit: ProxyExit) => void;
  #state: State = { kind: 'idle' };
  #restartsInRow = 0;
  #epoch = 0;
  #mayRestart = true;

  constructor(parts: ProxyProcessParts) {
    this.#parts = parts;
    const { firstDelayMs, mostDelayMs } = parts.policy;
    this.#backoff = new JitteredBackoff(firstDelayMs, mostDelayMs, parts.random);
    const { promise, resolve } = Promise.withResolvers<ProxyExit>();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  /** Undefined while none runs. */
  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.child.pid : undefined;
  }

  /** How often it was started. */
  get epoch(): number {
    return this.#epoch;
  }

  start(): void {
    const { command, logger, time } = this.#parts;
    const epoch = ++this.#epoch;
    const sinceMs = time.monotonicMs();
    const ranMs = (): number => time.monotonicMs() - sinceMs;
    const spawned = spawnBound(command);
    if (!spawned.ok) {
      const { error } = spawned;
      this.#onExit({ code: undefined, signal: undefined, spawnError: error, ranMs: 0 });
      return;
    }
    const { child } = spawned;
    child.stderr?.on('data', (chunk: Buffer) => this.#parts.onOutput(chunk, epoch));
    child.stderr?.on('error', () => {});
    this.#state = { kind: 'running', child, sinceMs };
    child.once('error', (spawnError) => {
      // Node also reports failed signals this way; those have a pid and an exit of their own.
      if (child.pid !== undefined) return;
      this.#onExit({ code: undefined, signal: undefined, spawnError, ranMs: ranMs() });
    });
    child.once('exit', (code, signal) => {
      const exit = { code: code ?? undefined, signal: signal ?? undefined, spawnError: undefined };
      this.#onExit({ ...exit, ranMs: ranMs() });
    });
    if (child.pid !== undefined) {
      logger.info(`proxy started: epoch ${this.#epoch}, pid ${child.pid}`, { path: command.path });
    }
  }

  /** From now on an exit is final. */
  stayDown(): void {
    this.#mayRestart = false;
    if (this.#state.kind !== 'waiting') return;
    this.#state.timer.cancel();
    this.#end(this.#state.exit);
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs: number): Promise<ProxyExit> {
    this.stayDown();
    this.#signal('SIGTERM');
    const timer = this.#parts.time.setTimer(() => {
      this.#parts.logger.warn(`proxy still there ${graceMs} ms after SIGTERM: SIGKILL`);
      this.#signal('SIGKILL');
    }, graceMs);
    const exit = await this.ended;
    timer.cancel();
    return exit;
  }

  /** SIGKILL to all of its group, without waiting; for the agent's own last moment. */
  killNow(): void {
    this.#mayRestart = false;
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.pid;
    if (pid === undefined) {
      if (this.#state.kind === 'idle') {
        this.#end({ code: 0, signal: undefined, spawnError: undefined, ranMs: 0 });
      }
      return;
    }
    try {
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    } catch {
      // Gone already; its exit event is on the way.
    }
  }

  #onExit(exit: ProxyExit): void {
    if (this.#state.kind === 'ended') return;
    const { logger, policy, time } = this.#parts;
    const reason = describeExit(exit);
    if (this.#mayRestart)
      this.#parts.onUnaskedExit({ epoch: this.#epoch, pid: this.pid, exit, reason });
    if (exit.ranMs >= policy.stableRunMs) {
      this.#restartsInRow = 0;
      this.#backoff.reset();
    }
    if (
      !this.#mayRestart ||
      exit.code === 0 ||
      isHopeless(exit) ||
      this.#restartsInRow >= policy.budget
    ) {
      if (this.#mayRestart) logger.error(`proxy ${reason}; ${this.#whyFinal(exit)}`);
      else logger.info(`proxy ${reason}`);
      this.#end(exit);
      return;
    }
    this.#restartsInRow++;
    const delayMs = this.#backoff.nextMs();
    const count = `restart ${this.#restartsInRow} of ${policy.budget}`;
    logger.warn(`proxy ${reason}; ${count} in ${delayMs} ms`, { ranMs: Math.round(exit.ranMs) });
    this.#state = { kind: 'waiting', exit, timer: time.setTimer(() => this.#restart(), delayMs) };
  }

  #whyFinal(exit: ProxyExit): string {
    if (exit.code === 0) return 'the agent leaves with it';
    if (isHopeless(exit)) return `check ProxyConfig.binaryPath (${this.#parts.command.path})`;
    const { budget } = this.#parts.policy;
    return budget === 0
      ? 'the agent leaves with it'
      : `${budget} restarts in a row did not help, the agent leaves`;
  }

  #restart(): void {
    this.#parts.onRestart();
    this.start();
  }

  #end(exit: ProxyExit): void {
    this.#state = { kind: 'ended' };
    this.#resolveEnded(exit);
  }
}
