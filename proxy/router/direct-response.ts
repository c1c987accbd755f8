// [b] Answers a route gives without an upstream: direct responses and redirects (envoy-behaviour §3.1, §3.4).
import type { BodyFormat } from '../access-log/body-format.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { DirectResponseConfig, RedirectActionConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { portStart } from './authority-port.ts';
import { HeaderFormat } from './header-format.ts';
import { PathRewriter, pathWithoutQuery } from './path-rewriter.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { RouteMatcher } from './route-matcher.ts';
import { nonEmptyWireText } from './wire-text.ts';

const bodyFormat =
  lazyPart<typeof import('../access-log/body-format.ts')>('access-log/body-format');

export interface DirectResponse {
  readonly status: number;
  /** Text as configured. */
  readonly body: string;
  /** Where it was configured as bytes: `body` is only their reading as text. */
  readonly bodyBytes: Uint8Array | undefined;
  /** Makes the body out of what is configured; null: that is the body. */
  readonly format: BodyFormat | null;
  /** `location` header; '' for none. */
  location(headers: RequestHeaders, info: StreamInfo): string;
}

export class FixedResponse implements DirectResponse {
  readonly status: number;
  readonly body: string;
  readonly bodyBytes: Uint8Array | undefined;
  readonly format: BodyFormat | null;

  /** Throws ConfigError with `place` for a bad %COMMAND%. */
  constructor(config: DirectResponseConfig, environment: RouteEnvironment, place: string) {
    this.format =
      config.format === undefined
        ? null
        : new (bodyFormat().BodyFormat)(config.format, environment.format, `${place}.body_format`);
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
  readonly format = null;

  location(headers: RequestHeaders): string {
    return `https://${headers.authority ?? ''}${headers.path}`;
  }
}

export class Redirect implements DirectResponse {
  readonly status: number;
  readonly body = '';
  readonly bodyBytes = undefined;
  readonly format = null;
  readonly #scheme: string | undefined;
  readonly #host: string | undefined;
  readonly #portSuffix: string;
  readonly #path: string | undefined;
  /** `path_rewrite`: the path as a format says. */
  readonly #pathFormat: HeaderFormat | null;
  readonly #rewriter: PathRewriter | null;
  readonly #stripQuery: boolean;

  /** Throws ConfigError with `place` for a bad regex or %COMMAND%. */
  constructor(config: RedirectActionConfig, matcher: RouteMatcher, place: string) {
    this.status = config.status;
    this.#scheme = config.scheme ?? (config.httpsRedirect ? 'https' : undefined);
    this.#host = nonEmptyWireText(config.host);
    this.#portSuffix = config.port === undefined || config.port === 0 ? '' : `:${config.port}`;
    this.#path = nonEmptyWireText(config.path);
    const format = config.pathFormat;
    this.#pathFormat =
      format === undefined || format === ''
        ? null
        : new HeaderFormat(format, `${place}.path_rewrite`);
    this.#rewriter = PathRewriter.from(config, matcher, place);
    this.#stripQuery = config.stripQuery;
  }

  /** The request's own path changes, and logs show the new one. Before `location`. */
  rewritePath(headers: RequestHeaders, info: StreamInfo, keepOriginal: boolean): void {
    const path = this.#rewriter?.rewrite(headers, info);
    if (path === undefined) return;
    if (keepOriginal) headers.set(H.xEnvoyOriginalPath, headers.path);
    headers.path = path;
  }

  location(headers: RequestHeaders, info: StreamInfo): string {
    const scheme = this.#scheme ?? headers.scheme;
    const host = this.#host ?? this.#requestHost(headers, scheme);
    let path = this.#newPath(headers, info);
    if (path !== '' && !path.startsWith('/')) path = `/${path}`;
    return `${scheme}://${host}${this.#portSuffix}${path}`;
  }

  /** A configured path with a query of its own keeps that; else the request's follows, unless it is to be left out. */
  #newPath(headers: RequestHeaders, info: StreamInfo): string {
    const configured = this.#path ?? this.#pathFormat?.format(headers, null, info);
    if (configured !== undefined && configured !== '') {
      const question = configured.includes('?') ? -1 : headers.path.indexOf('?');
      return question < 0 || this.#stripQuery
        ? configured
        : configured + headers.path.slice(question);
    }
    return this.#stripQuery ? pathWithoutQuery(headers.path) : headers.path;
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
