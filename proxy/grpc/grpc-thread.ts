// [m] GrpcThread: what all gRPC connections of a process that is no proxy share: read buffer, timers, and counters that nobody asks for.
import type { TimeSource } from '../base/clock.ts';
import { IoThread } from '../network/io-thread.ts';
import { assertBinding } from '../network/socket-binding.ts';
import { StatsStore } from '../stats/store.ts';

export class GrpcThread {
  readonly io: IoThread;
  readonly stats = new StatsStore();
  readonly time: TimeSource;

  /** Throws on a Node with other internals. */
  constructor(time: TimeSource) {
    assertBinding();
    this.time = time;
    this.io = new IoThread(time);
  }
}
