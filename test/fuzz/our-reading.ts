// What our codec's parts make of bytes that come in pieces: messages, how it ended, and the bytes it would write on.
import { BodyDecoder } from '../../proxy/http/http1/body-decoder.ts';
import {
  CHUNKED,
  UNTIL_CLOSE,
  requestFraming,
  responseFraming,
} from '../../proxy/http/http1/framing.ts';
import type { Framing } from '../../proxy/http/http1/framing.ts';
import { HeadParser } from '../../proxy/http/http1/head-parser.ts';
import {
  BodyFraming,
  CHUNK_END,
  LAST_CHUNK,
  chunkHead,
  lastChunkWith,
  requestHead,
  responseHead,
} from '../../proxy/http/http1/message-writer.ts';
import { applyTarget } from '../../proxy/http/http1/request-target.ts';
import type { HeaderMap } from '../../proxy/http/header-map.ts';
import { H } from '../../proxy/http/headers.ts';
import type { Field, Message } from './generated-message.ts';

export type Kind = 'request' | 'response';

export interface OurReading {
  readonly messages: readonly Message[];
  /** A codec error's details, `needs more`, `until close`, or `clean`. */
  readonly end: string;
  /** The messages as they go out to the other side. */
  readonly written: string;
}

const LIMITS = { maxBytes: 60 * 1024, maxCount: 100, underscores: 'ALLOW' as const };

/** Mirrors the loop of the two connections, without sockets. */
export class OurReader {
  readonly #kind: Kind;
  readonly #head: HeadParser;
  readonly #body = new BodyDecoder(LIMITS);
  readonly #messages: Message[] = [];
  #inBody = false;
  #chunks: string[] = [];
  #written = '';
  #end = '';

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#head = new HeadParser(kind, LIMITS);
  }

  get over(): boolean {
    return this.#end !== '';
  }

  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.over;) {
      const before = at;
      at = this.#inBody ? this.#feedBody(bytes, at) : this.#feedHead(bytes, at);
      if (at === before && !this.over) throw new Error('the codec stands still');
    }
  }

  result(): OurReading {
    const between = !this.#inBody && (this.#head.done || !this.#head.begun);
    const end = this.over ? this.#end : between ? 'clean' : 'needs more';
    return { messages: this.#messages, end, written: this.#written };
  }

  #feedHead(bytes: Buffer, start: number): number {
    const head = this.#head;
    if (head.done) head.reset();
    const at = head.parse(bytes, start, bytes.length);
    if (head.error !== null) this.#end = head.error.details;
    else if (head.done) this.#onHead();
    return at;
  }

  #onHead(): void {
    const framing: Framing = { length: 0, error: null };
    const head = this.#head;
    if (this.#kind === 'request') {
      const error = head.version === 11 ? applyTarget(head.request, true) : null;
      if (head.version !== 11) this.#end = 'low_version';
      if (error !== null) this.#end = error.details;
      else if (head.request.authority === undefined) this.#end = 'missing_host_header';
      if (this.#end === '') requestFraming(head.request, false, framing);
    } else responseFraming(head.response, false, framing);
    if (framing.error !== null) this.#end = framing.error.details;
    if (this.#end !== '') return;
    if (framing.length === UNTIL_CLOSE) {
      this.#end = 'until close';
      return;
    }
    this.#chunks = [];
    if (framing.length === CHUNKED) this.#body.startChunked();
    else this.#body.startLength(framing.length);
    this.#inBody = true;
    if (framing.length === 0) this.#onMessage();
  }

  #feedBody(bytes: Buffer, start: number): number {
    const body = this.#body;
    const at = body.decode(bytes, start, bytes.length, {
      onBody: (chunk) => this.#chunks.push(chunk.toString('latin1')),
    });
    if (body.error !== null) this.#end = body.error.details;
    else if (body.done) this.#onMessage();
    return at;
  }

  #onMessage(): void {
    this.#inBody = false;
    const { request, response } = this.#head;
    const map: HeaderMap = this.#kind === 'request' ? request : response;
    const chunked = map.has(H.transferEncoding);
    const trailers = this.#body.trailers?.trailers;
    map.remove(H.transferEncoding);
    this.#messages.push({
      start:
        this.#kind === 'request'
          ? `${request.method} ${request.path} ${request.authority ?? ''}`
          : String(response.status),
      fields: linesOf(map).filter(({ name }) => name !== 'content-length'),
      body: this.#chunks.join(''),
      trailers: trailers === undefined ? [] : linesOf(trailers),
    });
    this.#write(chunked, trailers);
  }

  #write(chunked: boolean, trailers: HeaderMap | undefined): void {
    const { request, response } = this.#head;
    const framing = chunked ? BodyFraming.Chunked : BodyFraming.Length;
    this.#written +=
      this.#kind === 'request'
        ? requestHead(request, framing, false)
        : responseHead(response, framing, false, false);
    for (const chunk of this.#chunks)
      this.#written += chunked ? `${chunkHead(chunk.length)}${chunk}${CHUNK_END}` : chunk;
    if (chunked) this.#written += trailers === undefined ? LAST_CHUNK : lastChunkWith(trailers);
  }
}

const linesOf = (map: HeaderMap): Field[] =>
  Array.from({ length: map.size }, (_, i) => ({
    name: map.nameAt(i).text,
    value: map.valueAt(i),
  }));

/** `cuts`: lengths of the pieces; the rest comes at once. */
export function readByOurs(kind: Kind, text: string, cuts: readonly number[]): OurReading {
  const reader = new OurReader(kind);
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  for (const length of cuts) {
    if (at >= bytes.length) break;
    // A copy: views of a read buffer are gone after the call.
    reader.feed(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  if (at < bytes.length) reader.feed(Buffer.from(bytes.subarray(at)));
  return reader.result();
}
