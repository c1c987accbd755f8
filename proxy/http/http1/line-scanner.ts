// [w] Finds the ends of lines and of heads in bytes off the wire.

const LF = 0x0a;
const CR = 0x0d;

/**
 * Index behind the first CR LF CR LF, `end` where there is none. Looks at every fourth byte; a search by Node costs 0.4 µs more
 * a head (bench/micro/http1-parser).
 */
export function headEnd(bytes: Buffer, start: number, end: number): number {
  for (let i = start + 3; i < end;) {
    const byte = bytes[i]!;
    if (byte === LF) {
      if (bytes[i - 1] === CR && bytes[i - 2] === LF && bytes[i - 3] === CR) return i + 1;
      i += 2;
    } else i += byte === CR ? 1 : 4;
  }
  return end;
}

/** Longer lines are searched by Node, which needs 50 ns to begin and is faster then. */
const NEAR_BYTES = 128;

/** Of the first LF in [start, end); -1 where there is none. */
export function lineFeedAt(bytes: Buffer, start: number, end: number): number {
  const near = Math.min(end, start + NEAR_BYTES);
  for (let i = start; i < near; i++) if (bytes[i] === LF) return i;
  if (near === end) return -1;
  const far = bytes.indexOf(LF, near);
  return far < end ? far : -1;
}
