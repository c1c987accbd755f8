// [b] Answers a route gives without an upstream: direct responses and redirects (envoy-behaviour §3.1, §3.4).
import type { DirectResponseConfig, RedirectActionConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { PathRewriter, pathWithoutQuery } from './path-rewriter.ts';
import type { RouteMatcher } from './route-matcher.ts';
import { wireText } from './wire-text.ts';

export interface DirectResponse {
  readonly status: number;
  /** Text as configured. */
  readonly body: string;
  /** Where it was configured as bytes: `body` is only their reading as text. */
  readonly bodyBytes: Uint8Array | undefined;
  /** `location` header; '' for none. */
  location(headers: RequestHeaders): string;
}

export class FixedResponse implements DirectResponse {
  readonly status: number;
  readonly body: string;
  readonly bodyBytes: Uint8Array | undefined;

  constructor(config: DirectResponseConfig) {
    this.status = config.status;
    this.body = config.body;
    this.bodyBytes = config.bodyBytes;
  }

  /** 201 and 3xx name the request's own URL. */
  location(headers: RequestHeaders): string {
    if (this.status !== 201 && (this.status < 300 || this.status > 399)) return '';
    return `${headers.scheme}://${headers.authority ?? ''}${headers.path}`;
  }
}

/** `require_tls` of a virtual host. */
export class TlsRedirect implements DirectResponse {
  readonly status = 301;
  readonly body = '';
  readonly bodyBytes = undefined;

  location(headers: RequestHeaders): string {
    return `https://${headers.authority ?? ''}${headers.path}`;
  }
}

export class Redirect implements DirectResponse {
  readonly status: number;
  readonly body = '';
  readonly bodyBytes = undefined;
  readonly #scheme: string | undefined;
  readonly #host: string | undefined;
  readonly #portSuffix: string;
  readonly #path: string | undefined;
  readonly #pathHasQuery: boolean;
  readonly #rewriter: PathRewriter | null;
  readonly #matcher: RouteMatcher;
  readonly #stripQuery: boolean;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: RedirectActionConfig, matcher: RouteMatcher, place: string) {
    this.status = config.status;
    this.#scheme = config.scheme ?? (config.httpsRedirect ? 'https' : undefined);
    this.#host =
      config.host === undefined || config.host === '' ? undefined : wireText(config.host);
    this.#portSuffix = config.port === undefined || config.port === 0 ? '' : `:${config.port}`;
    this.#path =
      config.path === undefined || config.path === '' ? undefined : wireText(config.path);
    this.#pathHasQuery = this.#path !== undefined && this.#path.includes('?');
    this.#rewriter = PathRewriter.from(config.prefixRewrite, config.regexRewrite, place);
    this.#matcher = matcher;
    this.#stripQuery = config.stripQuery;
  }

  location(headers: RequestHeaders): string {
    const scheme = this.#scheme ?? headers.scheme;
    const host = this.#host ?? this.#requestHost(headers, scheme);
    let path = this.#newPath(headers.path);
    if (path !== '' && !path.startsWith('/')) path = `/${path}`;
    if (this.#stripQuery && !this.#pathHasQuery) path = pathWithoutQuery(path);
    return `${scheme}://${host}${this.#portSuffix}${path}`;
  }

  #newPath(requestPath: string): string {
    if (this.#path !== undefined) {
      const question = this.#pathHasQuery ? -1 : requestPath.indexOf('?');
      return question < 0 ? this.#path : this.#path + requestPath.slice(question);
    }
    if (this.#rewriter === null) return requestPath;
    return this.#rewriter.rewrite(
      requestPath,
      this.#matcher.matchedLength(pathWithoutQuery(requestPath)),
    );
  }

  /** Without its port where a new one is set, or where it was the default of the scheme that is left. */
  #requestHost(headers: RequestHeaders, newScheme: string): string {
    const host = headers.authority ?? '';
    const colon = portStart(host);
    if (colon < 0) return host;
    let removePort = this.#portSuffix !== '';
    const protocol = headers.get(H.xForwardedProto) ?? '';
    if (newScheme !== protocol) {
      const port = host.slice(colon);
      removePort ||=
        (protocol === 'https' && port === ':443') || (protocol === 'http' && port === ':80');
    }
    return removePort ? host.slice(0, colon) : host;
  }
}

/** Where `:port` begins in a host, or -1. Only digits make a port, and a colon inside `[v6]` does not. */
export function portStart(host: string): number {
  let i = host.length - 1;
  while (i >= 0) {
    const code = host.charCodeAt(i);
    if (code < 0x30 || code > 0x39) break;
    i--;
  }
  if (i < 0 || i === host.length - 1 || host.charCodeAt(i) !== 0x3a) return -1;
  // An unbracketed v6 address has no port.
  return host.indexOf(':') === i || host.charCodeAt(i - 1) === 0x5d ? i : -1;
}
