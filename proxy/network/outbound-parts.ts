// [w] What a connection has still to send, in order: text, views of others' bytes, and bytes of its own. Own bytes are freed when they
// have been copied for the socket, not when a collection finds them: V8 sees a small object where there are 16 KB behind it,
// so a thread that serves slow readers would hold several times what waits.

/** Memory from allocUnsafeSlow() that nobody else reads. */
export class OwnBytes {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** Never empty. */
export type OutboundPart = string | Buffer | OwnBytes;

/** Gives the memory back now. Whoever looks at these bytes later finds none. */
export function freeBytes(bytes: Buffer): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}

/** Moves what fits from the front of `parts` to `target`; how many bytes. */
export function gather(parts: OutboundPart[], target: Buffer): number {
  let offset = 0;
  let whole = 0;
  while (whole < parts.length && offset < target.length) {
    const part = parts[whole]!;
    if (typeof part === 'string') {
      const taken = Math.min(part.length, target.length - offset);
      target.latin1Write(part, offset, taken);
      offset += taken;
      if (taken === part.length) whole++;
      else parts[whole] = part.slice(taken);
    } else {
      const bytes = part instanceof OwnBytes ? part.bytes : part;
      const taken = bytes.copy(target, offset);
      offset += taken;
      if (taken < bytes.length) {
        const rest = bytes.subarray(taken);
        parts[whole] = part === bytes ? rest : new OwnBytes(rest);
      } else {
        whole++;
        if (part !== bytes) freeBytes(bytes);
      }
    }
  }
  parts.splice(0, whole);
  return offset;
}

/** Views of `shared`, which the next read overwrites, become our own. */
export function keepViews(parts: OutboundPart[], shared: ArrayBufferLike): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (typeof part === 'string' || part instanceof OwnBytes || part.buffer !== shared) continue;
    const own = Buffer.allocUnsafeSlow(part.length);
    part.copy(own);
    parts[i] = new OwnBytes(own);
  }
}
