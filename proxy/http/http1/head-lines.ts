// [w] Odd corners of head lines, off the common path: versions, control bytes, white space that Envoy forgives.
import { trimmed } from './framing.ts';

const SP = 0x20;
const HTAB = 0x09;
const CR = 0x0d;

/** `HTTP/` DIGIT `.` DIGIT exactly; -1 for anything else. */
export function parseVersion(bytes: Buffer, start: number, end: number): number {
  if (end - start !== 8) return -1;
  if (
    bytes[start] !== 0x48 ||
    bytes[start + 1] !== 0x54 ||
    bytes[start + 2] !== 0x54 ||
    bytes[start + 3] !== 0x50
  )
    return -1;
  if (bytes[start + 4] !== 0x2f || bytes[start + 6] !== 0x2e) return -1;
  const major = bytes[start + 5]! - 0x30;
  const minor = bytes[start + 7]! - 0x30;
  if (major < 0 || major > 9 || minor < 0 || minor > 9) return -1;
  return major * 10 + minor;
}

/** A CR inside a value goes, and with it blanks that then stand at an end. */
export function withoutReturns(value: string): string {
  const text = value.replaceAll('\r', '');
  return trimmed(text, 0, text.length);
}

export const isBlank = (byte: number): boolean => byte === SP || byte === HTAB;

/** As inline names of a map are joined. */
export const joined = (present: string | undefined, value: string): string =>
  present === undefined || present === '' ? value : value === '' ? present : `${present},${value}`;

/** Bytes that no head may have; HTAB and CR are judged where they stand. */
export function hasControl(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if ((byte < SP && byte !== HTAB && byte !== CR) || byte === 0x7f) return true;
  }
  return false;
}

/** A request line with one SP for each run of SP, HTAB and CR, and none at its end. */
export const withPlainBlanks = (line: string): string =>
  line
    .replace(/^\r+/, '')
    .replace(/[ \t\r]+/g, ' ')
    .replace(/ $/, '');

/** A status line with one SP around its code; null: it is none in any spelling. */
export function plainStatusLine(line: string): string | null {
  const match = /^(HTTP\/\d\.\d)[ \t\r]+(\d{3})(?:[ \t\r]+(.*))?$/.exec(line);
  return match === null ? null : `${match[1]} ${match[2]} ${match[3] ?? ''}`;
}
