// Just enough HTTP/1 to see where messages end in well-formed text, for scripted peers and for comparing. Latin1 strings throughout.

export interface Head {
  readonly startLine: string;
  /** Index behind the empty line. */
  readonly end: number;
  readonly length: number | 'chunked' | 'none';
}

/** The head that begins at `start`; undefined: not complete. */
export function headAt(text: string, start: number): Head | undefined {
  let from = start;
  while (text.startsWith('\r\n', from)) from += 2;
  const at = text.indexOf('\r\n\r\n', from);
  if (at < 0) return undefined;
  const lines = text.slice(from, at).split('\r\n');
  const field = (name: string): string | undefined =>
    lines
      .slice(1)
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const length = field('content-length');
  return {
    startLine: lines[0]!,
    end: at + 4,
    length:
      field('transfer-encoding') !== undefined
        ? 'chunked'
        : length !== undefined && /^\d+$/.test(length)
          ? Number(length)
          : 'none',
  };
}

interface ChunkedBody {
  /** Index behind the body, or behind what is there of it. */
  readonly end: number;
  readonly complete: boolean;
  readonly data: string;
  /** From the last chunk's size on. */
  readonly tail: string;
}

/** undefined: the text is no chunked body. */
export function chunkedAt(text: string, start: number): ChunkedBody | undefined {
  let at = start;
  let data = '';
  for (;;) {
    const line = /^([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n/.exec(text.slice(at, at + 300));
    if (line === null) {
      return at === text.length ? { end: at, complete: false, data, tail: '' } : undefined;
    }
    const size = Number.parseInt(line[1]!, 16);
    if (size === 0) {
      const lastAt = at;
      at += line[0].length;
      const end = text.startsWith('\r\n', at) ? at + 2 : text.indexOf('\r\n\r\n', at) + 4;
      if (end < 4) return { end: text.length, complete: false, data, tail: text.slice(lastAt) };
      return { end, complete: true, data, tail: text.slice(lastAt, end) };
    }
    const from = at + line[0].length;
    if (text.length < from + size + 2) {
      return { end: text.length, complete: false, data: data + text.slice(from), tail: '' };
    }
    data += text.slice(from, from + size);
    at = from + size + 2;
  }
}

/** Index behind the body of `head`; -1: not there yet. Requests only: no length is no body. */
export function bodyEnd(text: string, head: Head): number {
  if (head.length === 'none') return head.end;
  if (head.length === 'chunked') {
    const body = chunkedAt(text, head.end);
    return body?.complete === true ? body.end : -1;
  }
  return text.length >= head.end + head.length ? head.end + head.length : -1;
}

export interface SeenResponses {
  readonly heads: number;
  readonly complete: number;
  readonly statuses: readonly number[];
}

/** `sent`: what the client sent, for which answers have no body. */
export function seenResponses(received: string, sent: string, closed: boolean): SeenResponses {
  const methods = [...sent.matchAll(/^([A-Z]+) \S+ HTTP\/1\.\d\r?$/gm)].map((match) => match[1]!);
  const statuses: number[] = [];
  let complete = 0;
  let at = 0;
  for (;;) {
    const head = headAt(received, at);
    const status = Number(/^HTTP\/1\.\d (\d{3,4})/.exec(head?.startLine ?? '')?.[1] ?? 0);
    if (head === undefined || status === 0) break;
    at = head.end;
    if (status < 200 && status !== 101) continue;
    const method = methods[statuses.length];
    statuses.push(status);
    const bodiless = method === 'HEAD' || status === 204 || status === 304;
    if (status === 101) break;
    const end = bodiless ? head.end : head.length === 'none' ? -1 : bodyEnd(received, head);
    if (end < 0) {
      if (closed) complete++;
      break;
    }
    complete++;
    at = end;
  }
  return { heads: statuses.length, complete, statuses };
}

/** Chunk borders depend on how bytes were read: neighbouring chunks become one. What is no chunked body stays. */
export function joinChunks(text: string): string {
  let out = '';
  let at = 0;
  for (;;) {
    const match = /transfer-encoding: *chunked\r\n/i.exec(text.slice(at));
    const headEnd = match === null ? -1 : text.indexOf('\r\n\r\n', at + match.index);
    if (headEnd < 0) return out + text.slice(at);
    const body = chunkedAt(text, headEnd + 4);
    out += text.slice(at, headEnd + 4);
    at = headEnd + 4;
    if (body === undefined) continue;
    if (body.data !== '') out += `${body.data.length.toString(16)}\r\n${body.data}\r\n`;
    out += body.tail;
    at = body.end;
  }
}
