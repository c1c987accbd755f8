// A second opinion: reads HTTP/1.1 by the letter of RFC 9112, with none of our code and none of its lenience.
import type { Field, Message } from './generated-message.ts';

export interface StrictReading {
  readonly messages: readonly Message[];
  /** The bytes are exactly these messages: nothing is cut, left over or against the grammar. */
  readonly clean: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const REQUEST_LINE = /^([A-Z]+) (\S+) HTTP\/1\.1$/;
const STATUS_LINE = /^HTTP\/1\.1 ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const FRAMING = new Set(['content-length', 'transfer-encoding']);

interface Section {
  readonly lines: readonly string[];
  readonly end: number;
}

function sectionAt(text: string, start: number): Section | undefined {
  const lines: string[] = [];
  for (let at = start; ;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    if (end === at) return { lines, end: at + 2 };
    lines.push(text.slice(at, end));
    at = end + 2;
  }
}

function fieldsOf(lines: readonly string[]): Field[] | undefined {
  const fields: Field[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (!TOKEN.test(name) || !VALUE.test(value)) return undefined;
    fields.push({ name: name.toLowerCase(), value });
  }
  return fields;
}

interface Body {
  readonly body: string;
  readonly trailers: readonly Field[];
  readonly end: number;
}

function chunkedAt(text: string, start: number): Body | undefined {
  let body = '';
  for (let at = start; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    const match = lineEnd < 0 ? null : CHUNK_LINE.exec(text.slice(at, lineEnd));
    if (match === null) return undefined;
    const size = Number.parseInt(match[1]!, 16);
    if (size === 0) {
      const section = sectionAt(text, lineEnd + 2);
      const trailers = section === undefined ? undefined : fieldsOf(section.lines);
      return trailers === undefined ? undefined : { body, trailers, end: section!.end };
    }
    const from = lineEnd + 2;
    if (text.slice(from + size, from + size + 2) !== '\r\n') return undefined;
    body += text.slice(from, from + size);
    at = from + size + 2;
  }
}

function bodyAt(text: string, start: number, fields: readonly Field[]): Body | undefined {
  const lengths = fields.filter(({ name }) => name === 'content-length');
  const codings = fields.filter(({ name }) => name === 'transfer-encoding');
  if (lengths.length + codings.length > 1) return undefined;
  if (codings.length === 1)
    return codings[0]!.value.toLowerCase() === 'chunked' ? chunkedAt(text, start) : undefined;
  if (lengths.length === 0) return { body: '', trailers: [], end: start };
  if (!/^\d{1,15}$/.test(lengths[0]!.value)) return undefined;
  const end = start + Number(lengths[0]!.value);
  return end > text.length ? undefined : { body: text.slice(start, end), trailers: [], end };
}

/** 1xx and 204 have no framing, 304 has no body whatever it says. */
function bodyOf(
  text: string,
  section: Section,
  start: string,
  fields: readonly Field[],
): Body | undefined {
  const none = { body: '', trailers: [], end: section.end };
  if (start === '304') return none;
  if (!/^(?:1\d\d|204)$/.test(start)) return bodyAt(text, section.end, fields);
  const framed = fields.some(
    ({ name, value }) =>
      name === 'transfer-encoding' || (name === 'content-length' && !/^0+$/.test(value)),
  );
  return framed ? undefined : none;
}

function startOf(
  kind: 'request' | 'response',
  line: string,
  fields: readonly Field[],
): string | undefined {
  if (kind === 'response') return STATUS_LINE.exec(line)?.[1];
  const match = REQUEST_LINE.exec(line);
  const hosts = fields.filter(({ name }) => name === 'host');
  if (match === null || hosts.length !== 1) return undefined;
  const [, method, target] = match;
  const absolute = /^http:\/\/([^/?#@]+)(\/.*)$/i.exec(target!);
  if (absolute !== null) return `${method} ${absolute[2]} ${absolute[1]}`;
  return target!.startsWith('/') ? `${method} ${target} ${hosts[0]!.value}` : undefined;
}

export function readStrictly(kind: 'request' | 'response', text: string): StrictReading {
  const messages: Message[] = [];
  let at = 0;
  for (;;) {
    while (kind === 'request' && text.startsWith('\r\n', at)) at += 2;
    if (at === text.length) return { messages, clean: true };
    const section = sectionAt(text, at);
    const fields = section === undefined ? undefined : fieldsOf(section.lines.slice(1));
    const start = fields === undefined ? undefined : startOf(kind, section!.lines[0]!, fields);
    const body = start === undefined ? undefined : bodyOf(text, section!, start, fields!);
    if (body === undefined) return { messages, clean: false };
    messages.push({
      start: start!,
      fields: fields!.filter(
        ({ name }) => !FRAMING.has(name) && !(kind === 'request' && name === 'host'),
      ),
      body: body.body,
      trailers: body.trailers,
    });
    at = body.end;
  }
}
