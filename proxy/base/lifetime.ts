// [b] Lifetime: owns what must be closed; closes in reverse order, once.

export interface Closable {
  close(): void;
}

export class Lifetime implements Closable {
  #owned: Closable[] = [];
  #closed = false;

  /** Hands `thing` over; returned for chaining. After close() it is closed at once. */
  own<T extends Closable>(thing: T): T {
    if (this.#closed) thing.close();
    else this.#owned.push(thing);
    return thing;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const owned = this.#owned;
    this.#owned = [];
    for (let i = owned.length - 1; i >= 0; i--) owned[i]!.close();
  }
}
