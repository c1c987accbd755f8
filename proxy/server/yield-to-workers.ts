// [m] Main steps back: where CPUs are short, workers go first. A push that keeps main busy, or its garbage collector, must not hold up
// requests (law 3), and a pod often has less than one CPU for all threads of the proxy.
import { os } from '../base/node-builtins.ts';
import type { Logger } from '../base/logger.ts';

/** Of this thread alone (nice(2) is a thread's on Linux): a sixth of a worker's share where both want the CPU. */
const MAIN_NICER = 8;
const NICEST = 19;

/**
 * Once the workers run: threads inherit. One that is started anew later has main's own priority, since nobody may raise his
 * without a privilege; that is what all had before.
 */
export function yieldToWorkers(log: Logger): void {
  log.info('all workers started');
  try {
    os().setPriority(Math.min(NICEST, os().getPriority() + MAIN_NICER));
  } catch (error) {
    log.debug(`main keeps its priority: ${(error as Error).message}`);
  }
}
