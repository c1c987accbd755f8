// Random valid HTTP/1.1 messages: what they say, and one of the many ways to write it.
import type { RandomSource } from '../../proxy/base/random.ts';

export interface Field {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

/** What a message says, however it is written. */
export interface Message {
  /** `GET /path host` or `200`. */
  readonly start: string;
  /** Without framing and hop-by-hop fields, in order. */
  readonly fields: readonly Field[];
  readonly body: string;
  readonly trailers: readonly Field[];
}

export interface GeneratedMessage extends Message {
  readonly wire: string;
}

export const pick = <T>(random: RandomSource, list: readonly T[]): T =>
  list[random.nextUint32() % list.length]!;

export const below = (random: RandomSource, bound: number): number => random.nextUint32() % bound;

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'];
const NAMES = ['x-a', 'x-b', 'x-long-name-with-many-letters', 'a', 'x!#$%&', 'x_y', 'via2', 'x.1'];
const BLANKS = ['', ' ', '  ', '\t', ' \t '];
const STATUSES = ['200', '201', '299', '400', '404', '451', '500', '599'];
const VALUE_BYTES = 'abcXYZ019 \t!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~\x80\xa0\xff';
const PATH_BYTES = "abcXYZ019!$&'()*+,-./:;=@_~%?";

function textOf(random: RandomSource, bytes: string, most: number): string {
  let text = '';
  for (let length = below(random, most); length > 0; length--)
    text += bytes[below(random, bytes.length)];
  return text;
}

/** Bytes that would be a message of their own where a reader loses its place. */
function bodyOf(random: RandomSource): string {
  const kind = below(random, 6);
  if (kind === 0) return '';
  if (kind === 1) return 'GET /smuggled HTTP/1.1\r\nhost: evil\r\n\r\n';
  if (kind === 2) return '0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  let body = '';
  for (let length = below(random, kind === 3 ? 3000 : 40); length > 0; length--)
    body += String.fromCharCode(below(random, 256));
  return body;
}

function fieldsOf(random: RandomSource, most: number): Field[] {
  return Array.from({ length: below(random, most) }, () => ({
    name: pick(random, NAMES),
    value: textOf(random, VALUE_BYTES, 30).replace(/^[ \t]+|[ \t]+$/g, ''),
  }));
}

const mixedCase = (random: RandomSource, name: string): string =>
  name
    .split('')
    .map((char) => (below(random, 3) === 0 ? char.toUpperCase() : char))
    .join('');

const line = (random: RandomSource, { name, value }: Field): string =>
  `${mixedCase(random, name)}:${pick(random, BLANKS)}${value}${pick(random, BLANKS)}\r\n`;

function chunksOf(random: RandomSource, body: string, trailers: readonly Field[]): string {
  let wire = '';
  for (let at = 0; at < body.length;) {
    const size = 1 + below(random, Math.min(body.length - at, 500));
    const hex = size.toString(16);
    const padded = below(random, 5) === 0 ? `00${hex.toUpperCase()}` : hex;
    const extension = pick(random, ['', '', '', ' ', ';a', ';a=b', ' ;a="b"']);
    wire += `${padded}${extension}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${wire}0\r\n${trailers.map((field) => line(random, field)).join('')}\r\n`;
}

/** Framing lines and the body behind the head. */
function framed(
  random: RandomSource,
  body: string,
): { lines: string[]; tail: string; trailers: Field[] } {
  if (below(random, 2) === 0) {
    const trailers = fieldsOf(random, 3);
    const lines = [
      line(random, { name: 'transfer-encoding', value: mixedCase(random, 'chunked') }),
    ];
    return { lines, tail: chunksOf(random, body, trailers), trailers };
  }
  const value = below(random, 6) === 0 ? `0${body.length}` : String(body.length);
  return { lines: [line(random, { name: 'content-length', value })], tail: body, trailers: [] };
}

/** Puts extra lines at random places between the others. */
function interleaved(
  random: RandomSource,
  lines: readonly string[],
  extra: readonly string[],
): string {
  const all = [...lines];
  for (const each of extra) all.splice(below(random, all.length + 1), 0, each);
  return all.join('');
}

export function generateRequest(random: RandomSource): GeneratedMessage {
  const method = pick(random, METHODS);
  const path = `/${textOf(random, PATH_BYTES, 30)}`;
  const host = pick(random, ['h', 'example.com', '[::1]:80', 'a.b:8080', 'X_Y']);
  const fields = fieldsOf(random, 8);
  const body = bodyOf(random);
  const { lines, tail, trailers } = framed(random, body);
  const absolute = below(random, 8) === 0;
  const head = interleaved(
    random,
    fields.map((field) => line(random, field)),
    [...lines, line(random, { name: 'host', value: absolute ? 'other' : host })],
  );
  const target = absolute ? `http://${host}${path}` : path;
  const ahead = below(random, 10) === 0 ? '\r\n' : '';
  return {
    start: `${method} ${path} ${host}`,
    fields,
    body,
    trailers,
    wire: `${ahead}${method} ${target} HTTP/1.1\r\n${head}\r\n${tail}`,
  };
}

export function generateResponse(random: RandomSource): GeneratedMessage {
  const status = pick(random, STATUSES);
  const fields = fieldsOf(random, 8);
  const body = bodyOf(random);
  const { lines, tail, trailers } = framed(random, body);
  const head = interleaved(
    random,
    fields.map((field) => line(random, field)),
    lines,
  );
  const reason = pick(random, [' OK', ' ', '', ' Not At All', ' \xe9']);
  return {
    start: status,
    fields,
    body,
    trailers,
    wire: `HTTP/1.1 ${status}${reason}\r\n${head}\r\n${tail}`,
  };
}
