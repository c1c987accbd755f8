// [w] Coarse shared timers for idle and per-request deadlines: arming and cancelling are a few pointer writes.
//
//   near:  slot 0   slot 1   …  slot 1023      one slot a tick of 4 ms: what is due within the next 4 s
//   far:   slot 0   slot 1   …  slot 1023      one slot a turn of the near wheel: moved there when its turn begins
//            │        │
//          entry ⇄ entry ⇄ …                   doubly linked, the slot's head is a sentinel
//
// One platform timer is armed at a time, for the next slot that holds something: thousands of idle connections with
// an hour to go wake nobody. Entries fire up to TICK_MS late, never early.
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

/** One wheel. A slot's head is made when the slot is first used: most never are. */
class Slots {
  readonly #heads: (WheelTimer | null)[] = Array.from({ length: SLOTS }, () => null);

  /** For adding. */
  head(index: number): WheelTimer {
    const slot = index % SLOTS;
    const known = this.#heads[slot]!;
    if (known !== null) return known;
    const head = new WheelTimer(null, 0);
    head.next = head;
    head.previous = head;
    this.#heads[slot] = head;
    return head;
  }

  /** Null where nothing waits. */
  used(index: number): WheelTimer | null {
    const head = this.#heads[index % SLOTS]!;
    return head === null || head.next === head ? null : head;
  }
}

function append(head: WheelTimer, timer: WheelTimer): void {
  timer.previous = head.previous;
  timer.next = head;
  head.previous!.next = timer;
  head.previous = timer;
}

export class TimerWheel {
  readonly #time: TimeSource;
  readonly #near = new Slots();
  readonly #far = new Slots();
  /** Last tick whose slot was worked through. */
  #doneTick: number;
  #count = 0;
  #platformTimer: TimerHandle | null = null;
  #platformTick = Infinity;
  readonly #onPlatformTimer = (): void => this.#advance();

  constructor(time: TimeSource) {
    this.#time = time;
    this.#doneTick = this.#currentTick();
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
    const dueMs = this.#time.monotonicMs() + Math.max(0, delayMs);
    timer.dueTick = Math.max(this.#doneTick + 1, Math.ceil(dueMs / TICK_MS));
    this.#count++;
    const wakeTick = this.#link(timer);
    if (wakeTick < this.#platformTick) this.#armPlatform(wakeTick);
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

  /** Puts the entry into its slot; the tick at which that slot has to be looked at. */
  #link(timer: WheelTimer): number {
    const { dueTick } = timer;
    const turn = Math.floor(dueTick / SLOTS);
    const isNear = dueTick - this.#doneTick < SLOTS;
    append(isNear ? this.#near.head(dueTick) : this.#far.head(turn), timer);
    return isNear ? dueTick : turn * SLOTS;
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
    const doneTick = this.#doneTick;
    // After a long stall every slot is looked at once, not once per missed turn.
    const from = Math.max(doneTick + 1, nowTick - SLOTS + 1);
    this.#doneTick = Math.max(doneTick, nowTick);
    this.#bringNear(Math.floor(doneTick / SLOTS), Math.floor(nowTick / SLOTS));
    for (let tick = from; tick <= nowTick; tick++) {
      const head = this.#near.used(tick);
      if (head !== null) this.#fireSlot(head, nowTick);
    }
    if (this.#count > 0) this.#armNext();
  }

  /** Entries of turns that have begun move from the far wheel to the near one. */
  #bringNear(doneTurn: number, nowTurn: number): void {
    const from = Math.max(doneTurn + 1, nowTurn - SLOTS + 1);
    for (let turn = from; turn <= nowTurn; turn++) {
      const head = this.#far.used(turn);
      if (head === null) continue;
      for (let timer = head.next!; timer !== head;) {
        const next = timer.next!;
        // One that is a whole round of the far wheel away stays.
        if (timer.dueTick < (nowTurn + 1) * SLOTS) {
          this.#unlink(timer);
          this.#count++;
          append(this.#near.head(timer.dueTick), timer);
        }
        timer = next;
      }
    }
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
    let wakeTick = Infinity;
    for (let ahead = 1; ahead <= SLOTS && wakeTick === Infinity; ahead++) {
      const tick = this.#doneTick + ahead;
      if (this.#near.used(tick) !== null) wakeTick = tick;
    }
    const turn = Math.floor(this.#doneTick / SLOTS);
    for (let ahead = 1; ahead <= SLOTS; ahead++) {
      const turnStart = (turn + ahead) * SLOTS;
      if (turnStart >= wakeTick) break;
      if (this.#far.used(turn + ahead) !== null) {
        wakeTick = turnStart;
        break;
      }
    }
    if (wakeTick < this.#platformTick) this.#armPlatform(wakeTick);
  }
}
