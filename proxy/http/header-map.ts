// [w] HeaderMap: keeps order and duplicates; names are interned lower-case HeaderNames. Two bit masks answer
// "absent" for well-known names without a scan. Pseudo headers live in fields of the two subclasses.
import type { HeaderCasing } from './header-casing.ts';
import { Inline } from './headers.ts';
import type { HeaderName } from './headers.ts';

export class HeaderMap {
  #names: HeaderName[] = [];
  #values: string[] = [];
  #mask0 = 0;
  #mask1 = 0;

  /** How the peer spelled the names; null nearly always (`http1/cased-headers.ts`). */
  get casing(): HeaderCasing | null {
    return null;
  }

  /** Which names have one line at most; trailers are like responses. */
  get inline(): Inline {
    return Inline.Response;
  }

  /** Whether the name has one line at most here. */
  isSingle(name: HeaderName): boolean {
    return (name.inline & this.inline) !== 0;
  }

  /** Number of lines. */
  get size(): number {
    return this.#names.length;
  }

  nameAt(index: number): HeaderName {
    return this.#names[index]!;
  }

  valueAt(index: number): string {
    return this.#values[index]!;
  }

  /** First value, or undefined. */
  get(name: HeaderName): string | undefined {
    const index = this.#find(name);
    return index < 0 ? undefined : this.#values[index];
  }

  has(name: HeaderName): boolean {
    return this.#find(name) >= 0;
  }

  /** Replaces the first line in its place and drops others of that name; adds a line when there is none. */
  set(name: HeaderName, value: string): void {
    const index = this.#find(name);
    if (index < 0) {
      this.push(name, value);
      return;
    }
    this.#values[index] = value;
    if (!this.isSingle(name)) this.#removeFrom(name, index + 1);
  }

  setIfAbsent(name: HeaderName, value: string): void {
    if (this.#find(name) < 0) this.push(name, value);
  }

  /** Adds: an inline name joins its present value with `separator`, another gets a line of its own. */
  append(name: HeaderName, value: string, separator = ','): void {
    if (this.isSingle(name)) {
      const index = this.#find(name);
      if (index >= 0) {
        const present = this.#values[index]!;
        if (value !== '')
          this.#values[index] = present === '' ? value : present + separator + value;
        return;
      }
    }
    this.push(name, value);
  }

  /** Adds a line without looking at the others. */
  push(name: HeaderName, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
    if (name.bit !== 0) {
      if (name.word === 0) this.#mask0 |= name.bit;
      else this.#mask1 |= name.bit;
    }
  }

  /** Appends text to the last value of a name (a folded line). */
  extend(name: HeaderName, more: string): void {
    for (let i = this.#names.length - 1; i >= 0; i--) {
      if (this.#names[i] !== name && this.#names[i]!.text !== name.text) continue;
      this.#values[i] += more;
      return;
    }
  }

  /** True when something was removed. */
  remove(name: HeaderName): boolean {
    const index = this.#find(name);
    if (index < 0) return false;
    this.#removeFrom(name, index);
    if (name.bit !== 0) {
      if (name.word === 0) this.#mask0 &= ~name.bit;
      else this.#mask1 &= ~name.bit;
    }
    return true;
  }

  /** All values of a name, in order. */
  getAll(name: HeaderName): readonly string[] {
    const found: string[] = [];
    for (let i = this.#find(name); i >= 0 && i < this.#names.length; i++) {
      if (this.#names[i] === name || this.#names[i]!.text === name.text)
        found.push(this.#values[i]!);
    }
    return found;
  }

  /** Sum of name and value lengths and four bytes a line, as on an HTTP/1 wire. */
  byteSize(): number {
    let size = 0;
    for (let i = 0; i < this.#names.length; i++)
      size += this.#names[i]!.text.length + this.#values[i]!.length + 4;
    return size;
  }

  /** Drops every line; for maps that are reused. */
  clear(): void {
    this.#names = [];
    this.#values = [];
    this.#mask0 = 0;
    this.#mask1 = 0;
  }

  protected copyLinesTo(other: HeaderMap): void {
    for (let i = 0; i < this.#names.length; i++) other.push(this.#names[i]!, this.#values[i]!);
  }

  #find(name: HeaderName): number {
    if (name.bit !== 0) {
      const mask = name.word === 0 ? this.#mask0 : this.#mask1;
      if ((mask & name.bit) === 0) return -1;
      // A bit is carried by registered names only, and those are unique objects.
      return this.#names.indexOf(name);
    }
    const names = this.#names;
    for (let i = 0; i < names.length; i++) {
      if (names[i] === name || names[i]!.text === name.text) return i;
    }
    return -1;
  }

  #removeFrom(name: HeaderName, start: number): void {
    let kept = start;
    const names = this.#names;
    for (let i = start; i < names.length; i++) {
      if (names[i] === name || names[i]!.text === name.text) continue;
      names[kept] = names[i]!;
      this.#values[kept] = this.#values[i]!;
      kept++;
    }
    // Not by `length =`, which is a call into the runtime: a removal 117 → 60 ns (bench/micro/header-map).
    while (names.length > kept) {
      names.pop();
      this.#values.pop();
    }
  }
}

export class RequestHeaders extends HeaderMap {
  method = '';
  /** Origin-form target with query, or `*`; '' for CONNECT. */
  path = '';
  /** `Host` or `:authority`; undefined when the peer sent none. Never a line of the map. */
  authority: string | undefined = undefined;
  /** `http` or `https`; '' until the connection manager set it. */
  scheme = '';

  override get inline(): Inline {
    return Inline.Request;
  }

  /** By lower-case name, pseudo headers and `host` included: for matchers and formatters from configuration. */
  getAny(name: HeaderName): string | undefined {
    switch (name.text) {
      case ':method':
        return this.method;
      case ':path':
        return this.path === '' ? undefined : this.path;
      case ':authority':
      case 'host':
        return this.authority;
      case ':scheme':
        return this.scheme === '' ? undefined : this.scheme;
      default:
        return this.get(name);
    }
  }

  /** A copy for another attempt (a retry, a mirror). */
  clone(): RequestHeaders {
    return this.copyTo(new RequestHeaders());
  }

  protected copyTo(copy: RequestHeaders): RequestHeaders {
    copy.method = this.method;
    copy.path = this.path;
    copy.authority = this.authority;
    copy.scheme = this.scheme;
    this.copyLinesTo(copy);
    return copy;
  }

  /** All of this gives way to what the other has. */
  become(other: RequestHeaders): void {
    this.method = other.method;
    this.path = other.path;
    this.authority = other.authority;
    this.scheme = other.scheme;
    this.clear();
    other.copyLinesTo(this);
  }
}

export class ResponseHeaders extends HeaderMap {
  status = 0;
  /** '' means Envoy's table decides. */
  reason = '';

  /** By lower-case name, `:status` included. */
  getAny(name: HeaderName): string | undefined {
    return name.text === ':status' ? String(this.status) : this.get(name);
  }
}
