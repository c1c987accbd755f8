// [w] Keys that seal session tickets (RFC 5077 §4), bound to all that is trusted: other trust, other keys (attack checklist 63).
//
// OpenSSL asks for them in one of two ways. Without a callback of ours Node answers: cheap, but it knows one key, and a session
// of TLS 1.3 that is resumed gets no new ticket, so that every second connection of a client that keeps one is a full handshake.
// With it (some 15 µs a ticket) a resumed session is renewed, as Envoy does, and tickets of older keys are still taken.
import { crypto } from '../base/node-builtins.ts';
import type { NativeContext, TicketKeyAnswer } from './tls-binding.ts';

const PART_BYTES = 16;

interface TicketKey {
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly cipher: Buffer;
}

/** To OpenSSL: no key of that name, so a full handshake; the key; the key, and the client is to get a new ticket. */
const NONE = 0;
const TAKEN = 1;
const RENEWED = 2;

export class TicketKeys {
  /** Name, HMAC key and cipher key of the first, as Node takes them. */
  readonly first: Buffer;
  readonly #keys: readonly TicketKey[];

  /** `secrets`: at least one; the first encrypts, all decrypt. */
  constructor(secrets: readonly Uint8Array[], fingerprint: Uint8Array) {
    const derived = secrets.map((secret) =>
      crypto().createHmac('sha384', secret).update(fingerprint).digest(),
    );
    this.first = derived[0]!;
    this.#keys = derived.map((bytes) => ({
      name: bytes.subarray(0, PART_BYTES),
      hmac: bytes.subarray(PART_BYTES, 2 * PART_BYTES),
      cipher: bytes.subarray(2 * PART_BYTES),
    }));
  }

  /** Older ones are taken too, which only `serve` can do. */
  get several(): boolean {
    return this.#keys.length > 1;
  }

  /** What tells them from others, without telling any. */
  get names(): string {
    return this.#keys.map(({ name }) => name.toString('hex')).join();
  }

  /** From now on tickets of `context` are sealed and opened here. */
  serve(context: NativeContext): void {
    context.onticketkeycallback = (name, iv, seals) =>
      seals ? this.#sealing(iv) : this.#opening(name);
    context.enableTicketKeyCallback();
  }

  #sealing(iv: Buffer): TicketKeyAnswer {
    const { hmac, cipher, name } = this.#keys[0]!;
    return [TAKEN, hmac, cipher, name, crypto().randomFillSync(iv)];
  }

  #opening(wanted: Buffer): TicketKeyAnswer {
    const key = this.#keys.find(({ name }) => name.equals(wanted));
    return key === undefined ? [NONE, EMPTY_KEY, EMPTY_KEY] : [RENEWED, key.hmac, key.cipher];
  }
}

/** Node wants keys of their length with every answer. */
const EMPTY_KEY = Buffer.alloc(PART_BYTES);
