// [b] Invariants of our own: assert() ends the thread (the pool replaces it), bug() is counted and carries on.

export class AssertionError extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`);
    this.name = 'AssertionError';
  }
}

/** Throws when `condition` is false. Only for mistakes of ours, never for what a peer or operator sent. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Exhaustiveness: the compiler proves that no case is left. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}

let bugCount = 0;
let onBug: (message: string) => void = () => {};

/** Where going on is safe: counts and reports, so that `server.envoy_bug_failures` tells of it. */
export function bug(message: string): void {
  bugCount++;
  onBug(message);
}

export const bugsSeen = (): number => bugCount;

/** The process entry says where reports of bug() go. */
export function reportBugsTo(report: (message: string) => void): void {
  onBug = report;
}
