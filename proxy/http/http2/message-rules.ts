// [w] What a header block must hold to be a message (RFC 9113 §8.1 to §8.5, RFC 8441; envoy-behaviour §2.2): pseudo
// headers first and complete, no connection-specific fields, cookies joined, limits on everything, dropped lines
// counted too (attack 34). Nothing that is not valid HTTP/1 leaves here (attack 38).
import { parseContentLength } from '../http1/framing.ts';
import { isAuthority, isToken } from '../http1/tokens.ts';
import { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import type { HeaderName } from '../headers.ts';
import type { HeaderSink } from './hpack-decoder.ts';
import { Pseudo } from './hpack-static-table.ts';

export interface MessageLimits {
  readonly maxBytes: number;
  readonly maxCount: number;
  readonly underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
}

/** Why a block is no message; the texts are response code details. */
export const Fault = {
  None: '',
  InvalidField: 'http2.invalid.header.field',
  Messaging: 'http2.violation.of.messaging.rule',
  TooLarge: 'http2.header_list_size_too_large',
  TooMany: 'http2.too_many_headers',
  Underscore: 'http2.unexpected_underscore',
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

export const isOverflow = (fault: Fault): boolean =>
  fault === Fault.TooLarge || fault === Fault.TooMany;

/** For blocks nobody wants: they are decoded for the compression state's sake. */
export const IGNORED: HeaderSink = { onHeader() {} };

const NONE = -1;

/** Collects one block; used again for the next. */
abstract class MessageReader implements HeaderSink {
  fault: Fault = Fault.None;
  /** Announced length of the body; -1: none. */
  contentLength = NONE;
  droppedUnderscores = 0;
  protected map: HeaderMap = new HeaderMap();
  readonly #limits: MessageLimits;
  #bytes = 0;
  #count = 0;
  #regularSeen = false;
  #cookie = '';

  constructor(limits: MessageLimits) {
    this.#limits = limits;
  }

  protected abstract onPseudo(name: HeaderName, value: string): boolean;

  protected restart(map: HeaderMap): void {
    this.map = map;
    this.fault = Fault.None;
    this.contentLength = NONE;
    this.droppedUnderscores = 0;
    this.#bytes = 0;
    this.#count = 0;
    this.#regularSeen = false;
    this.#cookie = '';
  }

  onHeader(name: HeaderName, value: string, faults: number, size: number): void {
    this.#bytes += size;
    this.#count++;
    if (this.fault !== Fault.None) return;
    if (this.#bytes > this.#limits.maxBytes) this.fault = Fault.TooLarge;
    else if (this.#count > this.#limits.maxCount) this.fault = Fault.TooMany;
    else if (faults !== 0) this.fault = Fault.InvalidField;
    else if (name.text.charCodeAt(0) === 0x3a) {
      // RFC 9113 §8.3: before all others, each once.
      if (this.#regularSeen || !this.onPseudo(name, value)) this.fault = Fault.InvalidField;
    } else {
      this.#regularSeen = true;
      this.#regular(name, value);
    }
  }

  #regular(name: HeaderName, value: string): void {
    if (name.bit !== 0 && this.#special(name, value)) return;
    if (this.#limits.underscores !== 'ALLOW' && name.bit === 0 && name.text.includes('_')) {
      if (this.#limits.underscores === 'REJECT_REQUEST') this.fault = Fault.Underscore;
      else this.droppedUnderscores++;
      return;
    }
    if (this.map.isSingle(name)) this.map.append(name, value);
    else this.map.push(name, value);
  }

  /** True: dealt with. */
  #special(name: HeaderName, value: string): boolean {
    switch (name) {
      case H.connection:
      case H.keepAlive:
      case H.proxyConnection:
      case H.transferEncoding:
      case H.upgrade:
        // RFC 9113 §8.2.2
        this.fault = Fault.InvalidField;
        return true;
      case H.te:
        if (value !== 'trailers' && value.toLowerCase() !== 'trailers')
          this.fault = Fault.InvalidField;
        return false;
      case H.cookie:
        // §8.2.3: crumbs of one field.
        this.#cookie = this.#cookie === '' ? value : `${this.#cookie}; ${value}`;
        this.map.set(H.cookie, this.#cookie);
        return true;
      case H.contentLength:
        if (this.contentLength !== NONE) this.fault = Fault.InvalidField;
        else {
          this.contentLength = parseContentLength(value);
          if (this.contentLength < 0) this.fault = Fault.InvalidField;
        }
        return false;
      case H.host:
        this.onHost(value);
        return true;
      default:
        return false;
    }
  }

  protected onHost(_value: string): void {}
}

const ASTERISK = '*';

export class RequestReader extends MessageReader {
  headers = new RequestHeaders();
  /** `:protocol` of an extended CONNECT; '' otherwise. */
  protocol = '';
  readonly #allowConnect: boolean;
  #seen = 0;
  #host: string | undefined = undefined;

  constructor(limits: MessageLimits, allowConnect: boolean) {
    super(limits);
    this.#allowConnect = allowConnect;
  }

  begin(): void {
    this.headers = new RequestHeaders();
    this.restart(this.headers);
    this.protocol = '';
    this.#seen = 0;
    this.#host = undefined;
  }

  /** The block is complete; look at `fault` after. */
  finish(endStream: boolean): void {
    if (this.fault !== Fault.None) return;
    const { headers } = this;
    headers.authority ??= this.#host;
    if (!this.#complete()) this.fault = Fault.Messaging;
    else if (endStream && this.contentLength > 0) this.fault = Fault.Messaging;
  }

  #complete(): boolean {
    const { headers } = this;
    if (headers.method === '' || headers.authority === undefined) return false;
    if (headers.method === 'CONNECT' && this.protocol === '')
      return headers.scheme === '' && headers.path === '' && headers.authority !== '';
    if (this.protocol !== '' && headers.method !== 'CONNECT') return false;
    if (headers.scheme === '' || headers.path === '') return false;
    return headers.path.charCodeAt(0) === 0x2f
      ? true
      : headers.path === ASTERISK && headers.method === 'OPTIONS';
  }

  protected onPseudo(name: HeaderName, value: string): boolean {
    const { headers } = this;
    switch (name) {
      case Pseudo.method:
        headers.method = value;
        return this.#first(1) && isToken(value);
      case Pseudo.path:
        headers.path = value;
        return this.#first(2) && isPath(value);
      case Pseudo.scheme:
        headers.scheme = value === 'http' || value === 'https' ? value : value.toLowerCase();
        return this.#first(4) && isScheme(value);
      case Pseudo.authority:
        headers.authority = value;
        return this.#first(8) && isHost(value);
      case Pseudo.protocol:
        this.protocol = value;
        return this.#first(16) && this.#allowConnect && isToken(value);
      default:
        return false;
    }
  }

  /** One at most; `:authority` wins. */
  protected override onHost(value: string): void {
    if (this.#host !== undefined || !isHost(value)) this.fault = Fault.InvalidField;
    this.#host = value;
  }

  #first(bit: number): boolean {
    const first = (this.#seen & bit) === 0;
    this.#seen |= bit;
    return first;
  }
}

export class ResponseReader extends MessageReader {
  headers = new ResponseHeaders();

  begin(): void {
    this.headers = new ResponseHeaders();
    this.restart(this.headers);
  }

  finish(): void {
    if (this.fault === Fault.None && this.headers.status === 0) this.fault = Fault.Messaging;
  }

  /** Three digits, no 101: HTTP/2 switches no protocols (RFC 9113 §8.6). */
  protected onPseudo(name: HeaderName, value: string): boolean {
    if (name !== Pseudo.status || this.headers.status !== 0 || value.length !== 3) return false;
    let status = 0;
    for (let i = 0; i < 3; i++) {
      const digit = value.charCodeAt(i) - 0x30;
      if (digit < 0 || digit > 9) return false;
      status = status * 10 + digit;
    }
    this.headers.status = status;
    return status >= 100 && status !== 101;
  }
}

/** Fields that mean something to framing or routing are dropped from trailers (attack 20). */
export class TrailersReader extends MessageReader {
  get trailers(): HeaderMap {
    return this.map;
  }

  begin(): void {
    this.restart(new HeaderMap());
  }

  finish(): void {
    this.map.remove(H.contentLength);
    this.map.remove(H.te);
  }

  protected onPseudo(): boolean {
    return false;
  }
}

/** Stricter than on HTTP/1: neither empty nor with user information (seen on Envoy 1.40; RFC 9113 §8.3.1). */
const isHost = (text: string): boolean => text !== '' && !text.includes('@') && isAuthority(text);

/** Printable, no blank, and no fragment (envoy-behaviour §1.5 is the manager's: `#` passes here). */
function isPath(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return false;
  }
  return text !== '';
}

/** RFC 3986 §3.1. */
function isScheme(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    const letter = code >= 0x61 && code <= 0x7a;
    const other = (code >= 0x30 && code <= 0x39) || '+-.'.includes(text[i]!);
    if (!letter && (i === 0 || !other)) return false;
  }
  return text !== '';
}
