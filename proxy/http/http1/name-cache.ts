// [w] Field names off the wire to interned HeaderNames without making a string: a direct-mapped table keyed by the
// hash of the lower-cased bytes. A hostile client can evict entries, never grow the table or forge a hit.
import { wireHeaderName } from '../headers.ts';
import type { HeaderName } from '../headers.ts';
import { TOKEN_LOWER } from './tokens.ts';

const ENTRIES = 1024;
/** Longer names are rare: made anew each time. */
const MAX_CACHED_LENGTH = 64;

const cache: (HeaderName | undefined)[] = Array.from({ length: ENTRIES });

/** `hash`: of the lower-cased bytes, as the parser computed it on its way. All bytes are token characters. */
export function internName(bytes: Buffer, start: number, end: number, hash: number): HeaderName {
  const slot = (hash ^ (hash >>> 12)) & (ENTRIES - 1);
  const cached = cache[slot];
  if (cached !== undefined && sameName(cached.text, bytes, start, end)) return cached;
  const name = wireHeaderName(bytes.latin1Slice(start, end).toLowerCase());
  if (end - start <= MAX_CACHED_LENGTH) cache[slot] = name;
  return name;
}

function sameName(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== TOKEN_LOWER[bytes[start + i]!]) return false;
  }
  return true;
}
