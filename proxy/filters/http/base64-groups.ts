// [w] Base64Groups: strict base64 (RFC 4648 §4) that comes in pieces. Padding ends a text, and another may follow.

const GROUP = 4;
const NOTHING = Buffer.alloc(0);

export class Base64Groups {
  /** Up to three characters of a group that is not whole. */
  #rest = '';

  /** Something came of a group, and not all of it. */
  get incomplete(): boolean {
    return this.#rest !== '';
  }

  /** Bytes of the groups that are whole by now; null: something is not base64. */
  push(chunk: Buffer): Buffer | null {
    const text = this.#rest + chunk.latin1Slice(0, chunk.length);
    const whole = text.length - (text.length % GROUP);
    this.#rest = text.slice(whole);
    const parts: Buffer[] = [];
    for (let at = 0; at < whole;) {
      const padding = text.indexOf('=', at);
      const end = padding < 0 || padding >= whole ? whole : padding - (padding % GROUP) + GROUP;
      const part = decodeText(text.slice(at, end));
      if (part === null) return null;
      parts.push(part);
      at = end;
    }
    return parts.length === 1 ? parts[0]! : parts.length === 0 ? NOTHING : Buffer.concat(parts);
  }
}

/** Node takes much for base64; only what it would write itself is. */
function decodeText(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
