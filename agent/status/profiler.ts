// [m] Profiler: where this process spends its time, and what it holds of what it allocates, by V8's own sampling. Loaded and at work only while somebody asks.
import type { HeapProfiler, Profiler as CpuProfiler, Session } from 'node:inspector';

export type CpuProfile = CpuProfiler.Profile;
/** With what V8 says and its description leaves out. */
export interface HeapProfile extends HeapProfiler.SamplingHeapProfile {
  readonly head: HeapNode;
  readonly samples: readonly { readonly nodeId: number }[];
}

export interface HeapNode extends HeapProfiler.SamplingHeapProfileNode {
  readonly id: number;
  readonly children: HeapNode[];
}

/** Between samples; ten times as often as Go, since an event loop works in short turns. */
export const CPU_INTERVAL_US = 1000;
export const HEAP_INTERVAL_BYTES = 65_536;

/** One at a time: V8 has one profiler of each kind, and both together would measure each other. */
export class Profiler {
  #busy = false;

  /** `signal`: the caller has gone; what there is by then comes at once. */
  cpu(seconds: number, signal: AbortSignal): Promise<CpuProfile> {
    return this.#within(async (session) => {
      await send(session, 'Profiler.enable');
      await send(session, 'Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US });
      await send(session, 'Profiler.start');
      await elapsed(seconds, signal);
      return (await send<CpuProfiler.StopReturnType>(session, 'Profiler.stop')).profile;
    });
  }

  /** Allocations of that time which are still held at its end. */
  heap(seconds: number, signal: AbortSignal): Promise<HeapProfile> {
    return this.#within(async (session) => {
      await send(session, 'HeapProfiler.startSampling', { samplingInterval: HEAP_INTERVAL_BYTES });
      await elapsed(seconds, signal);
      const stopped = await send<{ readonly profile: HeapProfile }>(
        session,
        'HeapProfiler.stopSampling',
      );
      return stopped.profile;
    });
  }

  async #within<Result>(run: (session: Session) => Promise<Result>): Promise<Result> {
    if (this.#busy) throw new Error('a profile is being taken already');
    this.#busy = true;
    const session = new (process.getBuiltinModule('node:inspector').Session)();
    try {
      session.connect();
      return await run(session);
    } finally {
      session.disconnect();
      this.#busy = false;
    }
  }
}

function send<Result = object>(
  session: Session,
  method: string,
  parameters: object = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    session.post(method, parameters, (error, result) => {
      if (error === null) resolve(result as Result);
      else reject(new Error(error.message));
    });
  });
}

function elapsed(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}
