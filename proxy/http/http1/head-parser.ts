// [w] Start line and field section, incremental (RFC 9112 §2–§5). One line at a time: a line that is cut by TCP waits
// in a small buffer of its own, so work stays linear however the bytes are dribbled.
//
// What Envoy takes leniently is taken here too (bare LF as line end, CR and LF before a request line, folded lines
// joined into one value); what it refuses is refused with the same code. See envoy-behaviour §2.1.
// oxlint-disable eslint/max-params -- a line travels as five plain values: an object for it would be garbage per header
import { CodecErrors } from '../codec-error.ts';
import type { CodecError } from '../codec-error.ts';
import { HeaderCasing } from '../header-casing.ts';
import { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H, Inline } from '../headers.ts';
import type { HeaderName } from '../headers.ts';
import { CasedRequestHeaders, CasedResponseHeaders } from './cased-headers.ts';
import {
  hasControl,
  isBlank,
  joined,
  parseVersion,
  plainStatusLine,
  withPlainBlanks,
  withoutReturns,
} from './head-lines.ts';
import type { HeadLimits } from './head-limits.ts';
import { headEnd, lineFeedAt } from './line-scanner.ts';
import { internName } from './name-cache.ts';
import { FIELD_VALUE, knownMethod, TOKEN_LOWER, isToken } from './tokens.ts';

export type HeadKind = 'request' | 'response' | 'trailers';

const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;

export class HeadParser {
  readonly kind: HeadKind;
  readonly limits: HeadLimits;
  readonly #inline: Inline;
  /** The message under construction; which one depends on `kind`. */
  request: RequestHeaders = NO_REQUEST;
  response: ResponseHeaders = NO_RESPONSE;
  trailers: HeaderMap = NO_REQUEST;
  /** 9 (HTTP/0.9), 10, 11, or another `major * 10 + minor`. */
  version = 11;
  /** Set when the empty line was read. */
  done = false;
  error: CodecError | null = null;
  /** Size so far, as limits count it: whole lines with their ends. */
  byteCount = 0;
  /** Lines dropped because of their underscores. */
  droppedUnderscores = 0;
  #map: HeaderMap = NO_REQUEST;
  #casing: HeaderCasing | null = null;
  #started = false;
  /** Empty lines came ahead. */
  #blank = false;
  #count = 0;
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** Name of the last line, for folded continuations; null when that line was dropped or there is none. */
  #lastName: HeaderName | null = null;
  /** White space that ended line number `#trimmedLine`: part of the value where a fold follows. null: no value yet. */
  #trimmed: string | null = '';
  #trimmedLine = -1;

  constructor(kind: HeadKind, limits: HeadLimits) {
    this.kind = kind;
    this.#inline = kind === 'request' ? Inline.Request : Inline.Response;
    this.limits = limits;
    this.reset();
  }

  /** Ready for the next message. */
  reset(): void {
    this.done = false;
    this.error = null;
    this.byteCount = 0;
    this.#count = 0;
    this.version = 11;
    this.#lastName = null;
    this.#partialLength = 0;
    this.#trimmedLine = -1;
    this.#blank = false;
    const { preserveCase } = this.limits;
    if (preserveCase !== undefined && preserveCase !== null && this.kind !== 'trailers')
      this.#resetCased(new HeaderCasing(preserveCase));
    else if (this.kind === 'request') this.#map = this.request = new RequestHeaders();
    else if (this.kind === 'response') this.#map = this.response = new ResponseHeaders();
    else this.#map = this.trailers = new HeaderMap();
    this.#started = this.kind === 'trailers';
  }

  #resetCased(casing: HeaderCasing): void {
    this.#casing = casing;
    if (this.kind === 'request') this.#map = this.request = new CasedRequestHeaders(casing);
    else this.#map = this.response = new CasedResponseHeaders(casing);
  }

  /** Bytes of a message have been seen. */
  get begun(): boolean {
    return this.#started || this.#blank || this.#partialLength > 0;
  }

  /** Reads lines from `start`; returns the index behind the last byte used. Look at `done` and `error` after. */
  parse(bytes: Buffer, start: number, end: number): number {
    let position = start;
    if (this.#partialLength > 0) {
      position = this.#finishPartial(bytes, start, end);
      if (this.done || this.error !== null || position === end) return position;
    }
    // One string for the whole head: values are cut out of it without copying.
    const textEnd = headEnd(bytes, position, end);
    const text = bytes.latin1Slice(position, textEnd);
    const textStart = position;
    while (position < end) {
      const behind = this.#started
        ? this.#plainField(bytes, position, textEnd, text, textStart)
        : 0;
      if (behind > 0) {
        position = behind;
        if (this.error !== null) return position;
        continue;
      }
      const lineFeed = lineFeedAt(bytes, position, end);
      if (lineFeed < 0) {
        this.#keepPartial(bytes, position, end);
        return end;
      }
      if (lineFeed < textEnd) this.#line(bytes, position, lineFeed, text, textStart);
      else this.#line(bytes, position, lineFeed, bytes.latin1Slice(position, lineFeed), position);
      position = lineFeed + 1;
      if (this.done || this.error !== null) return position;
    }
    return position;
  }

  #keepPartial(bytes: Buffer, start: number, end: number): void {
    const length = this.#partialLength + end - start;
    if (this.byteCount + length > this.limits.maxBytes) {
      this.error = CodecErrors.headersTooLarge;
      return;
    }
    if (this.#partial === null || this.#partial.length < length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(256, length * 2));
      this.#partial?.copy(larger, 0, 0, this.#partialLength);
      this.#partial = larger;
    }
    if (!this.#started && this.#partialLength === 0 && !this.#mayBegin(bytes[start]!)) {
      this.error = CodecErrors.malformed;
      return;
    }
    bytes.copy(this.#partial, this.#partialLength, start, end);
    this.#partialLength = length;
  }

  /** What cannot become a message is not waited for: TLS where plain text is spoken, another protocol's greeting. */
  #mayBegin(byte: number): boolean {
    if (this.kind === 'response') return byte === 0x48;
    return byte === CR || byte > SP;
  }

  #finishPartial(bytes: Buffer, start: number, end: number): number {
    const lineFeed = bytes.indexOf(LF, start);
    const stop = lineFeed < 0 || lineFeed >= end ? end : lineFeed + 1;
    this.#keepPartial(bytes, start, stop);
    if (this.error !== null || (stop === end && (lineFeed < 0 || lineFeed >= end))) return stop;
    const line = this.#partial!;
    const length = this.#partialLength - 1;
    this.#partialLength = 0;
    this.#line(line, 0, length, line.latin1Slice(0, length), 0);
    // A dribbling peer does not pin a large buffer for the connection's life.
    if (line.length > 4096) this.#partial = null;
    return stop;
  }

  /** One line without its LF; `text` holds the same bytes from index `textStart` on. */
  #line(bytes: Buffer, start: number, lineFeed: number, text: string, textStart: number): void {
    const end = lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    // Empty lines before a request line are tolerated (RFC 9112 §2.2) and not counted.
    if (end === start && !this.#started) {
      this.#emptyAhead();
      return;
    }
    this.byteCount += lineFeed + 1 - start;
    if (this.byteCount > this.limits.maxBytes) {
      this.error = CodecErrors.headersTooLarge;
      return;
    }
    if (end === start) {
      this.done = true;
      return;
    }
    if (!this.#started) {
      this.#started = true;
      this.#startLine(bytes, start, end, text, textStart);
      return;
    }
    const first = bytes[start]!;
    if (first === SP || first === HTAB) this.#continuation(bytes, start, end, text, textStart);
    else this.#field(bytes, start, end, text, textStart);
    if (this.error === CodecErrors.malformed && hasControl(bytes, start, end))
      this.error = CodecErrors.invalidCharacters;
  }

  #emptyAhead(): void {
    if (this.kind === 'request') this.#blank = true;
    else this.error = CodecErrors.malformed;
  }

  #startLine(bytes: Buffer, start: number, end: number, text: string, textStart: number): void {
    if (this.kind === 'request') {
      this.#requestLine(bytes, start, end, text, textStart);
      if (this.error !== null) this.#lenientRequestLine(bytes, start, end);
    } else {
      this.#statusLine(bytes, start, end, text, textStart);
      if (this.error !== null) this.#lenientStatusLine(bytes, start, end);
    }
  }

  /** Words may be parted, and the line ended, by any run of SP, HTAB and CR: as Envoy, and RFC 9112 §3 lets us. */
  #lenientRequestLine(bytes: Buffer, start: number, end: number): void {
    const line = bytes.latin1Slice(start, end);
    if (hasControl(bytes, start, end)) {
      if (bytes[start]! > SP) this.error = CodecErrors.invalidCharacters;
      return;
    }
    const words = withPlainBlanks(line);
    if (words === line) return;
    this.error = null;
    this.#requestLine(Buffer.from(words, 'latin1'), 0, words.length, words, 0);
  }

  /** RFC 9112 §3: method SP request-target SP HTTP-version. */
  #requestLine(bytes: Buffer, start: number, end: number, text: string, textStart: number): void {
    let space = start;
    while (space < end && bytes[space] !== SP) space++;
    const method =
      knownMethod(bytes, start, space) ??
      this.#customMethod(text.substring(start - textStart, space - textStart));
    if (space === end || method === undefined) {
      this.error = CodecErrors.malformed;
      return;
    }
    const targetStart = space + 1;
    let targetEnd = targetStart;
    let code = 0;
    while (targetEnd < end && (code = bytes[targetEnd]!) > SP && code < 0x7f) targetEnd++;
    if (targetEnd === targetStart) {
      this.error = CodecErrors.malformed;
      return;
    }
    if (targetEnd < end && code !== SP) {
      this.error = code === 0x7f ? CodecErrors.invalidCharacters : CodecErrors.malformed;
      return;
    }
    this.request.method = method;
    this.request.path = text.substring(targetStart - textStart, targetEnd - textStart);
    // No version at all is HTTP/0.9.
    if (targetEnd === end) this.version = 9;
    else this.version = parseVersion(bytes, targetEnd + 1, end);
    if (this.version < 0) this.error = CodecErrors.malformed;
  }

  /** As for requests: any run of SP, HTAB and CR around the code. */
  #lenientStatusLine(bytes: Buffer, start: number, end: number): void {
    const line = bytes.latin1Slice(start, end);
    const plain = plainStatusLine(line);
    if (plain === null || plain === line) return;
    this.error = null;
    this.#statusLine(Buffer.from(plain, 'latin1'), 0, plain.length, plain, 0);
  }

  #customMethod(method: string): string | undefined {
    return this.limits.customMethods === true && isToken(method) ? method : undefined;
  }

  /** RFC 9112 §4: HTTP-version SP status-code SP [reason-phrase]. */
  #statusLine(bytes: Buffer, start: number, end: number, text: string, textStart: number): void {
    this.version = parseVersion(bytes, start, Math.min(start + 8, end));
    const status = start + 9;
    if (this.version < 0 || end < status + 3 || bytes[start + 8] !== SP) {
      this.error = CodecErrors.malformed;
      return;
    }
    let code = 0;
    for (let i = status; i < status + 3; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) {
        this.error = CodecErrors.malformed;
        return;
      }
      code = code * 10 + digit;
    }
    if (code < 100 || (end > status + 3 && bytes[status + 3] !== SP)) {
      this.error = CodecErrors.malformed;
      return;
    }
    this.response.status = code;
    for (let i = status + 4; i < end; i++) {
      if (FIELD_VALUE[bytes[i]!] === 0) {
        this.error = CodecErrors.invalidCharacters;
        return;
      }
    }
    this.response.reason =
      end > status + 4 ? text.substring(status + 4 - textStart, end - textStart) : '';
  }

  /**
   * What nearly all lines are, `name: value` CR LF within `end`, in one pass: the index behind it. 0: look again, line by
   * line; nothing has been done. `text` holds the bytes from `textStart` on.
   */
  // oxlint-disable-next-line eslint/complexity -- the hottest loops of all, without calls
  #plainField(bytes: Buffer, start: number, end: number, text: string, textStart: number): number {
    let colon = start;
    let hash = 0;
    let lower = 0;
    while (colon < end && (lower = TOKEN_LOWER[bytes[colon]!]!) !== 0) {
      if (lower === UNDERSCORE) return 0;
      hash = (Math.imul(hash, 31) + lower) | 0;
      colon++;
    }
    const valueStart = colon + 2;
    if (colon === start || valueStart >= end || bytes[colon] !== COLON) return 0;
    if (bytes[colon + 1] !== SP || bytes[valueStart]! <= SP || this.#casing !== null) return 0;
    let valueEnd = valueStart;
    while (valueEnd < end && FIELD_VALUE[bytes[valueEnd]!] !== 0) valueEnd++;
    const behind = valueEnd + 2;
    if (behind > end || bytes[valueEnd] !== CR || bytes[valueEnd + 1] !== LF) return 0;
    if (bytes[valueEnd - 1]! <= SP) return 0;
    const byteCount = this.byteCount + behind - start;
    if (byteCount > this.limits.maxBytes || this.#count >= this.limits.maxCount) return 0;
    this.byteCount = byteCount;
    this.#count++;
    const name = (this.#lastName = internName(bytes, start, colon, hash));
    this.#store(name, text.substring(valueStart - textStart, valueEnd - textStart), false);
    return behind;
  }

  /** RFC 9112 §5: field-name ":" OWS field-value OWS. */
  // oxlint-disable-next-line eslint/complexity -- one pass over a line, no calls
  #field(bytes: Buffer, start: number, end: number, text: string, textStart: number): void {
    let colon = start;
    let hash = 0;
    let underscore = false;
    while (colon < end) {
      const lower = TOKEN_LOWER[bytes[colon]!]!;
      if (lower === 0) break;
      if (lower === UNDERSCORE) underscore = true;
      hash = (Math.imul(hash, 31) + lower) | 0;
      colon++;
    }
    if (colon === start || colon === end || bytes[colon] !== COLON) {
      this.error = CodecErrors.malformed;
      return;
    }
    let valueStart = colon + 1;
    while (valueStart < end && (bytes[valueStart] === SP || bytes[valueStart] === HTAB))
      valueStart++;
    let valueEnd = end;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB))
      valueEnd--;
    let loneReturn = false;
    for (let i = valueStart; i < valueEnd; i++) {
      if (FIELD_VALUE[bytes[i]!] === 0) {
        if (bytes[i] !== CR) {
          this.error = CodecErrors.invalidCharacters;
          return;
        }
        loneReturn = true;
      }
    }
    if (++this.#count > this.limits.maxCount) {
      this.error = CodecErrors.tooManyHeaders;
      return;
    }
    if (underscore && this.limits.underscores !== 'ALLOW') {
      this.#lastName = null;
      this.droppedUnderscores++;
      if (this.limits.underscores === 'REJECT_REQUEST')
        this.error = CodecErrors.unexpectedUnderscore;
      return;
    }
    let value = text.substring(valueStart - textStart, valueEnd - textStart);
    // Envoy drops a CR inside a value; a fold or a bare CR never reaches the other side.
    if (loneReturn) value = withoutReturns(value);
    const name = (this.#lastName = internName(bytes, start, colon, hash));
    if (this.#casing !== null)
      this.#casing.note(name.text, text.substring(start - textStart, colon - textStart));
    if (valueEnd !== end || valueEnd === valueStart) {
      this.#trimmedLine = this.#count;
      this.#trimmed =
        valueEnd === valueStart ? null : text.substring(valueEnd - textStart, end - textStart);
    }
    this.#store(name, value, loneReturn);
  }

  #store(name: HeaderName, value: string, loneReturn: boolean): void {
    if (name === H.host && this.kind === 'request') {
      const request = this.request;
      request.authority = joined(request.authority, value);
    } else if (name === H.contentLength || name === H.transferEncoding) {
      // Envoy drops a CR inside a value; where a body ends is nothing to guess about.
      if (loneReturn) this.error = CodecErrors.malformed;
      else this.#framingField(name, value);
    } else if ((name.inline & this.#inline) !== 0) {
      this.#map.append(name, value);
    } else {
      this.#map.push(name, value);
    }
  }

  /** A second line is never joined away, not even to an empty first one (attacks 3, 5, 8). */
  #framingField(name: HeaderName, value: string): void {
    const present = this.#map.get(name);
    if (present === undefined) this.#map.push(name, value);
    else if (name === H.contentLength) this.error = CodecErrors.malformed;
    else this.#map.set(name, `${present},${value}`);
  }

  /** obs-fold (RFC 9112 §5.2): joined to the value before it, the line break dropped. */
  #continuation(bytes: Buffer, start: number, end: number, text: string, textStart: number): void {
    const name = this.#lastName;
    if (name === null && this.#count === 0) {
      this.error = CodecErrors.malformed;
      return;
    }
    let stop = end;
    while (stop > start && isBlank(bytes[stop - 1]!)) stop--;
    for (let i = start; i < stop; i++) {
      if (FIELD_VALUE[bytes[i]!] === 0) {
        this.error = CodecErrors.invalidCharacters;
        return;
      }
    }
    if (name === null) return;
    const more = this.#unfold(
      text.substring(start - textStart, stop - textStart),
      text.substring(stop - textStart, end - textStart),
    );
    if (name === H.host && this.kind === 'request') this.request.authority += more;
    else this.#map.extend(name, more);
  }

  /** What a folded line adds: white space at its end counts only once something follows, at the value's start never. */
  #unfold(content: string, blanks: string): string {
    const before = this.#trimmedLine === this.#count ? this.#trimmed : '';
    if (content === '') {
      this.#trimmed = before === null ? null : before + blanks;
      this.#trimmedLine = this.#count;
      return '';
    }
    this.#trimmed = blanks;
    this.#trimmedLine = this.#count;
    if (before !== null) return before + content;
    let from = 0;
    while (isBlank(content.charCodeAt(from))) from++;
    return content.slice(from);
  }
}

const NO_REQUEST = new RequestHeaders();
const NO_RESPONSE = new ResponseHeaders();
