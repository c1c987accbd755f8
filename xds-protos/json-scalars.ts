// [m] Scalars, spans of time and points in time between JSON and memory (protobuf.dev/programming-guides/json).
import { WireFault } from './proto-error.ts';
import type { Duration, JsonValue, Timestamp } from './well-known-types.ts';

const maxDurationSeconds = 315_576_000_000;
const minTimestampSeconds = -62_135_596_800;
const maxTimestampSeconds = 253_402_300_799;
const jsonNumber = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;
/** Number texts longer than this are refused, so that none becomes a giant bigint. */
const maxNumberText = 64;

export function scalarToJson(code: string, value: unknown): JsonValue {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return base64Of(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value))
      return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
    return code === 'f' ? shortestFloat(value) : value;
  }
  return value as string | boolean;
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The number with the fewest digits that is the same 32-bit float. */
function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** Throws a WireFault that says what would be right. */
export function scalarFromJson(code: string, json: unknown): unknown {
  switch (code) {
    case 's':
      if (typeof json !== 'string') throw unfit(json, 'a string');
      return json;
    case 'b':
      if (typeof json !== 'boolean') throw unfit(json, 'true or false');
      return json;
    case 'B':
      return bytesFromJson(json);
    case 'd':
      return doubleFromJson(json);
    case 'f':
      return floatFromJson(json);
    case 'u':
    case 'x':
      return integerFromJson(json, 0, 2 ** 32 - 1);
    case 'i':
    case 'z':
    case 'y':
      return integerFromJson(json, -(2 ** 31), 2 ** 31 - 1);
    case 'U':
    case 'X':
      return bigIntFromJson(json, 0n, 2n ** 64n - 1n);
    default:
      return bigIntFromJson(json, -(2n ** 63n), 2n ** 63n - 1n);
  }
}

/** The key of a map, which JSON can only write as a string. */
export function mapKeyFromJson(code: string, key: string): unknown {
  if (code !== 'b') return scalarFromJson(code, key);
  if (key !== 'true' && key !== 'false') throw new WireFault('key must be true or false');
  return key === 'true';
}

/** "must be a string, is a number" */
export function unfit(json: unknown, wanted: string): WireFault {
  return new WireFault(`must be ${wanted}, is ${kindOf(json)}`);
}

function kindOf(json: unknown): string {
  if (json === null) return 'null';
  if (json === undefined) return 'missing';
  if (Array.isArray(json)) return 'a list';
  if (typeof json === 'string') return `the string ${JSON.stringify(json.slice(0, 60))}`;
  if (typeof json === 'number' || typeof json === 'boolean') return String(json);
  return 'an object';
}

function numberFromJson(json: unknown, wanted: string): number {
  if (typeof json === 'number') return json;
  if (typeof json === 'string' && json.length <= maxNumberText && jsonNumber.test(json))
    return Number(json);
  throw unfit(json, wanted);
}

function integerFromJson(json: unknown, min: number, max: number): number {
  const wanted = `an integer from ${min} to ${max}`;
  const number = numberFromJson(json, wanted);
  if (!Number.isInteger(number) || number < min || number > max) throw unfit(json, wanted);
  return Object.is(number, -0) ? 0 : number;
}

function bigIntFromJson(json: unknown, min: bigint, max: bigint): bigint {
  const wanted = `an integer from ${min} to ${max}`;
  if (typeof json === 'number' && Number.isInteger(json) && !Number.isSafeInteger(json)) {
    throw new WireFault(`${json} is beyond what a JSON number holds exactly: write it as a string`);
  }
  const isDigits = typeof json === 'string' && json.length <= maxNumberText && /^-?\d+$/.test(json);
  const number = isDigits ? undefined : numberFromJson(json, wanted);
  if (number !== undefined && !Number.isSafeInteger(number)) throw unfit(json, wanted);
  const value = number === undefined ? BigInt(json as string) : BigInt(number);
  if (value < min || value > max) throw unfit(json, wanted);
  return value;
}

function doubleFromJson(json: unknown): number {
  if (json === 'NaN') return NaN;
  if (json === 'Infinity') return Infinity;
  if (json === '-Infinity') return -Infinity;
  const number = numberFromJson(json, 'a number');
  if (typeof json === 'string' && !Number.isFinite(number)) throw unfit(json, 'a number in range');
  return number;
}

function floatFromJson(json: unknown): number {
  const number = doubleFromJson(json);
  const float = Math.fround(number);
  if (Number.isFinite(number) && !Number.isFinite(float)) throw unfit(json, 'a 32-bit float');
  return float;
}

function bytesFromJson(json: unknown): Uint8Array {
  if (typeof json !== 'string') throw unfit(json, 'base64 text');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(json)) throw new WireFault('must be base64 text');
  return new Uint8Array(Buffer.from(json, 'base64'));
}

/** 0, 3, 6 or 9 digits after the point, as many as are needed. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  const digits = String(nanos).padStart(9, '0');
  if (nanos % 1_000_000 === 0) return `.${digits.slice(0, 3)}`;
  return nanos % 1000 === 0 ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

function nanosOf(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.padEnd(9, '0'));
}

/** "1.500s" */
export function durationToJson({ seconds, nanos }: Duration): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(seconds)}${fraction(Math.abs(nanos))}s`;
}

export function durationFromJson(json: unknown): Duration {
  const found = typeof json === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (found === null) throw unfit(json, 'a duration in seconds such as "1.5s"');
  const seconds = Number(found[2]);
  if (seconds > maxDurationSeconds) throw unfit(json, `a duration of up to ${maxDurationSeconds}s`);
  const sign = found[1] === '-' ? -1 : 1;
  // Adding 0 turns minus zero into zero.
  return { seconds: sign * seconds + 0, nanos: sign * nanosOf(found[3]) + 0 };
}

/** "2026-11-21T09:14:00.250Z" */
export function timestampToJson({ seconds, nanos }: Timestamp): string {
  // A value no clock shows (it can stand on the wire) must not make a whole dump fail.
  const shown = Math.min(Math.max(seconds, minTimestampSeconds), maxTimestampSeconds);
  return `${new Date(shown * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}

export function timestampFromJson(json: unknown): Timestamp {
  const wanted = 'a time such as "2026-11-21T09:14:00Z"';
  const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
  const found = typeof json === 'string' ? pattern.exec(json) : null;
  if (found === null) throw unfit(json, wanted);
  const seconds = Date.parse(`${found[1] ?? ''}${found[3] ?? ''}`) / 1000;
  if (!(seconds >= minTimestampSeconds && seconds <= maxTimestampSeconds))
    throw unfit(json, wanted);
  return { seconds, nanos: nanosOf(found[2]) };
}
