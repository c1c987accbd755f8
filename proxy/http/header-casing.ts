// [w] Case of header names on the wire (envoy-behaviour §2.1, header_key_format). Maps hold lower case; where a
// listener or cluster keeps the case that it read, the map of that message remembers it and takes it to the other side.

import type { PreserveCaseConfig } from '../config/http-connection-manager-config.ts';

const isAlphanumeric = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);

/** `content-type` → `Content-Type`: every letter that does not follow a letter or digit. */
export function properCase(name: string): string {
  let out = '';
  let inWord = false;
  for (let i = 0; i < name.length; i++) {
    const char = name[i]!;
    out += inWord ? char : char.toUpperCase();
    inWord = isAlphanumeric(name.charCodeAt(i));
  }
  return out;
}

/** The names of one message as its peer wrote them. Bounded by the limits of its head. */
export class HeaderCasing {
  readonly config: PreserveCaseConfig;
  /** By lower-case name; the first spelling stays. */
  readonly #written = new Map<string, string>();

  constructor(config: PreserveCaseConfig) {
    this.config = config;
  }

  note(lower: string, written: string): void {
    if (!this.#written.has(lower)) this.#written.set(lower, written);
  }

  format(lower: string): string {
    const written = this.#written.get(lower);
    if (written !== undefined) return written;
    return this.config.properCaseForOthers ? properCase(lower) : lower;
  }
}
