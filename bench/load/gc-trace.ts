// Reads V8's own account (`--trace-gc-nvp`) of the threads of one process: bytes allocated in the heap between collections, and pauses.

export interface GcTotals {
  /** By all threads, on V8's heaps; memory outside of them (buffers' bytes) is not in it. */
  readonly allocatedBytes: number;
  /** Of the thread that paused longest: with one worker, the worker. */
  readonly pauseMs: number;
  readonly collections: number;
}

const LINE = /^\[[0-9]+:(0x[0-9a-f]+)(?::[0-9]+)?\] +[0-9.]+ ms: GC: (\{.*\})$/;

/**
 * `from` and `to` are offsets into the log, between which the load ran. A collection that came first in the window also counts what
 * was allocated before it: at most one young generation a thread.
 */
export function gcTotals(log: string, from: number, to: number): GcTotals {
  let allocatedBytes = 0;
  let collections = 0;
  const pauses = new Map<string, number>();
  const heapAfter = new Map<string, number>();
  let offset = 0;
  for (const line of log.split('\n')) {
    const at = offset;
    offset += line.length + 1;
    if (at >= to) break;
    const found = LINE.exec(line);
    if (found === null) continue;
    const thread = found[1]!;
    const event = JSON.parse(found[2]!) as Record<string, unknown>;
    const startBytes = Number(event['start_object_size']);
    const beforeBytes = heapAfter.get(thread) ?? 0;
    heapAfter.set(thread, Number(event['end_object_size']));
    if (at < from) continue;
    collections++;
    allocatedBytes += Math.max(0, startBytes - beforeBytes);
    pauses.set(thread, (pauses.get(thread) ?? 0) + Number(event['pause']));
  }
  return { allocatedBytes, pauseMs: Math.max(0, ...pauses.values()), collections };
}
