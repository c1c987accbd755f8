// [w] Coarse shared timers for idle and per-request deadlines: arming and cancelling are a few pointer writes.
//
//   slot 0   slot 1   slot 2  …  slot 1023          a slot covers TICK_MS; an entry further away than one
//     │        │                                     turn of the wheel waits in its slot with `rounds` > 0
//   entry ⇄ entry ⇄ …                                (doubly linked, the slot's head is a sentinel)
//
// One platform timer is armed at a time, for the next tick that has work. Entries fire up to TICK_MS late,
// never early.
import type { TimeSource, TimerHandle } from './clock.ts';

const TICK_MS = 4;
const SLOTS = 1024;

export interface TimerOwner {
  /** Called once per arm(). `kind` tells the owner's timers apart. */
  onTimer(kind: number): void;
}

/** A timer that can be armed again and again; belongs to one wheel and one owner. */
export class WheelTimer {
  readonly owner: TimerOwner | null;
  readonly kind: number;
  previous: WheelTimer | null = null;
  next: WheelTimer | null = null;
  dueTick = 0;

  constructor(owner: TimerOwner | null, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  get armed(): boolean {
    return this.next !== null && this.owner !== null;
  }
}

export class TimerWheel {
  readonly #time: TimeSource;
  readonly #slots: WheelTimer[] = [];
  /** Last tick whose slot was worked through. */
  #doneTick: number;
  #count = 0;
  #platformTimer: TimerHandle | null = null;
  #platformTick = Infinity;
  readonly #onPlatformTimer = (): void => this.#advance();

  constructor(time: TimeSource) {
    this.#time = time;
    this.#doneTick = this.#currentTick();
    for (let i = 0; i < SLOTS; i++) {
      const head = new WheelTimer(null, 0);
      head.next = head;
      head.previous = head;
      this.#slots.push(head);
    }
  }

  /** Number of armed timers. */
  get size(): number {
    return this.#count;
  }

  nowMs(): number {
    return this.#time.monotonicMs();
  }

  /** (Re)arms; `delayMs` from now, at least one tick. */
  arm(timer: WheelTimer, delayMs: number): void {
    if (timer.next !== null) this.#unlink(timer);
    if (this.#count === 0) this.#doneTick = this.#currentTick();
    const dueTick = Math.max(
      this.#doneTick + 1,
      Math.ceil((this.#time.monotonicMs() + Math.max(0, delayMs)) / TICK_MS),
    );
    timer.dueTick = dueTick;
    const head = this.#slots[dueTick % SLOTS]!;
    timer.previous = head.previous;
    timer.next = head;
    head.previous!.next = timer;
    head.previous = timer;
    this.#count++;
    if (dueTick < this.#platformTick) this.#armPlatform(dueTick);
  }

  cancel(timer: WheelTimer): void {
    if (timer.next !== null) this.#unlink(timer);
  }

  /** Stops the platform timer; armed entries never fire. */
  close(): void {
    this.#platformTimer?.cancel();
    this.#platformTimer = null;
    this.#platformTick = -Infinity;
  }

  #unlink(timer: WheelTimer): void {
    timer.previous!.next = timer.next;
    timer.next!.previous = timer.previous;
    timer.previous = null;
    timer.next = null;
    this.#count--;
  }

  #currentTick(): number {
    return Math.floor(this.#time.monotonicMs() / TICK_MS);
  }

  #armPlatform(tick: number): void {
    this.#platformTimer?.cancel();
    this.#platformTick = tick;
    const delayMs = Math.max(1, Math.ceil(tick * TICK_MS - this.#time.monotonicMs()));
    this.#platformTimer = this.#time.setTimer(this.#onPlatformTimer, delayMs);
  }

  #advance(): void {
    if (this.#platformTick === -Infinity) return;
    this.#platformTimer = null;
    this.#platformTick = Infinity;
    const nowTick = this.#currentTick();
    // After a long stall every slot is looked at once, not once per missed turn.
    const from = Math.max(this.#doneTick + 1, nowTick - SLOTS + 1);
    this.#doneTick = Math.max(this.#doneTick, nowTick);
    for (let tick = from; tick <= nowTick; tick++)
      this.#fireSlot(this.#slots[tick % SLOTS]!, nowTick);
    if (this.#count > 0) this.#armNext();
  }

  #fireSlot(head: WheelTimer, nowTick: number): void {
    let timer = head.next!;
    while (timer !== head) {
      const next = timer.next!;
      if (timer.dueTick <= nowTick) {
        this.#unlink(timer);
        timer.owner!.onTimer(timer.kind);
        // A callback may cancel its neighbours: start over from the slot's head.
        timer = head.next!;
        continue;
      }
      timer = next;
    }
  }

  #armNext(): void {
    for (let ahead = 1; ahead <= SLOTS; ahead++) {
      const tick = this.#doneTick + ahead;
      const head = this.#slots[tick % SLOTS]!;
      if (head.next === head) continue;
      if (tick < this.#platformTick) this.#armPlatform(tick);
      return;
    }
  }
}
