// [w] What a host says of its load in headers or trailers of its answers: an ORCA load report (xds.data.orca.v3) as text, JSON or
// protobuf in base64. What cannot be read is no report.
import type { HeaderMap } from '../../http/header-map.ts';
import { headerName } from '../../http/headers.ts';

const BINARY = headerName('endpoint-load-metrics-bin');
const ANY_FORM = headerName('endpoint-load-metrics');
/** A report of a host with sense has a dozen numbers. */
const MAX_NUMBERS = 256;

/** Numbers by name: `cpu_utilization`, `rps_fractional`, `named_metrics.x`, … */
export type LoadReport = ReadonlyMap<string, number>;

const FIELDS: ReadonlyMap<number, string> = new Map([
  [1, 'cpu_utilization'],
  [2, 'mem_utilization'],
  [6, 'rps_fractional'],
  [7, 'eps'],
  [9, 'application_utilization'],
]);
const MAPS: ReadonlyMap<number, string> = new Map([
  [4, 'request_cost'],
  [5, 'utilization'],
  [8, 'named_metrics'],
]);
const NAMES = new Set([...FIELDS.values(), ...MAPS.values()]);

export function loadReportOf(headers: HeaderMap): LoadReport | null {
  const binary = headers.get(BINARY);
  if (binary !== undefined) return fromBinary(binary);
  const text = headers.get(ANY_FORM);
  if (text === undefined) return null;
  if (text.startsWith('TEXT ')) return fromText(text.slice(5));
  if (text.startsWith('JSON ')) return fromJson(text.slice(5));
  return text.startsWith('BIN ') ? fromBinary(text.slice(4)) : null;
}

/** `cpu_utilization=0.3,named_metrics.x=0.4` */
function fromText(text: string): LoadReport | null {
  const report = new Map<string, number>();
  for (const pair of text.split(',', MAX_NUMBERS)) {
    const equals = pair.search(/[=:]/);
    if (equals < 0) return null;
    const name = pair.slice(0, equals).replace(/ /g, '');
    const value = Number(pair.slice(equals + 1));
    if (!Number.isFinite(value)) return null;
    report.set(name, value);
  }
  return report;
}

function fromJson(text: string): LoadReport | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof json !== 'object' || json === null) return null;
  const report = new Map<string, number>();
  for (const [key, value] of Object.entries(json)) {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (!NAMES.has(name)) continue;
    if (typeof value === 'number') report.set(name, value);
    else if (typeof value === 'object' && value !== null)
      for (const [inner, number] of Object.entries(value as Record<string, unknown>))
        if (typeof number === 'number') report.set(`${name}.${inner}`, number);
  }
  return report;
}

function fromBinary(base64: string): LoadReport | null {
  const report = new Map<string, number>();
  const whole = eachField(Buffer.from(base64, 'base64'), (field, value) => {
    const name = FIELDS.get(field);
    if (name !== undefined && typeof value === 'number') report.set(name, value);
    const map = MAPS.get(field);
    if (map === undefined || typeof value === 'number') return;
    let key = '';
    let number = 0;
    eachField(value, (part, inner) => {
      if (part === 1 && typeof inner !== 'number') key = inner.toString('utf8');
      if (part === 2 && typeof inner === 'number') number = inner;
    });
    report.set(`${map}.${key}`, number);
  });
  return whole ? report : null;
}

/** Doubles and bytes of a protobuf message; other fields are passed over. False: it is none. */
function eachField(bytes: Buffer, take: (field: number, value: number | Buffer) => void): boolean {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return NaN;
  };
  for (let count = 0; at < bytes.length && count < MAX_NUMBERS; count++) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) varint();
    else if (type === 1) {
      if (at + 8 > bytes.length) return false;
      take(field, bytes.readDoubleLE(at));
      at += 8;
    } else if (type === 2) {
      const length = varint();
      if (!(at + length <= bytes.length)) return false;
      take(field, bytes.subarray(at, at + length));
      at += length;
    } else if (type === 5) at += 4;
    else return false;
  }
  return at === bytes.length;
}
