// [w] ListenerAddresses: which listener stands for an address, bound or not; connections that were redirected to another find theirs by it.
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';

interface Addressed {
  readonly config: ListenerConfig;
}

export class ListenerAddresses<T extends Addressed> {
  /** By `ip|port`; of several the one that was there first. */
  readonly #first = new Map<string, T>();
  /** The others: one that an update adds at the address of another that the same update removes is there before that goes. */
  readonly #others = new Map<string, Set<T>>();

  add(listener: T): void {
    for (const key of keysOf(listener.config)) {
      const present = this.#first.get(key);
      if (present === undefined) this.#first.set(key, listener);
      else if (present !== listener) this.#othersAt(key).add(listener);
    }
  }

  remove(listener: T): void {
    for (const key of keysOf(listener.config)) {
      const others = this.#others.get(key);
      if (others?.delete(listener) === true && others.size === 0) this.#others.delete(key);
      if (this.#first.get(key) !== listener) continue;
      this.#first.delete(key);
      const [next] = others ?? [];
      if (next === undefined) continue;
      this.#first.set(key, next);
      others!.delete(next);
      if (others!.size === 0) this.#others.delete(key);
    }
  }

  /** `after` stands where `before` stood: both have the same addresses. */
  replace(before: T, after: T): void {
    for (const key of keysOf(before.config)) {
      if (this.#first.get(key) === before) this.#first.set(key, after);
      const others = this.#others.get(key);
      if (others?.delete(before) === true) others.add(after);
    }
  }

  find(ip: string, port: number): T | null {
    const wildcard = ip.includes(':') ? `::|${port}` : `0.0.0.0|${port}`;
    return this.#first.get(`${ip}|${port}`) ?? this.#first.get(wildcard) ?? null;
  }

  #othersAt(key: string): Set<T> {
    const known = this.#others.get(key);
    if (known !== undefined) return known;
    const made = new Set<T>();
    this.#others.set(key, made);
    return made;
  }
}

export const addressKey = (address: AddressConfig): string =>
  address.kind === 'ip' ? `${address.address}|${address.port}` : address.path;

const keysOf = ({ address, additionalAddresses }: ListenerConfig): readonly string[] =>
  [address, ...additionalAddresses].filter(({ kind }) => kind === 'ip').map(addressKey);
