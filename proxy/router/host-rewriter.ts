// [w] HostRewriter: which host a route writes into its requests (envoy-behaviour §3.4).
import type { RouteActionConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { HeaderFormat } from './header-format.ts';
import { pathWithoutQuery } from './path-rewriter.ts';
import { RegexRewriter } from './regex.ts';
import { nonEmptyWireText } from './wire-text.ts';

export class HostRewriter {
  readonly #literal: string | undefined;
  readonly #header: HeaderName | null;
  readonly #pathRegex: RegexRewriter | null;
  readonly #format: HeaderFormat | null;

  /** Throws ConfigError with `place` for a bad regex or %COMMAND%. */
  constructor(config: RouteActionConfig, place: string) {
    const header = config.hostRewriteHeader;
    const pathRegex = config.hostRewritePathRegex;
    this.#literal = nonEmptyWireText(config.hostRewriteLiteral);
    this.#header = header === undefined || header === '' ? null : headerName(header);
    this.#pathRegex =
      pathRegex === undefined
        ? null
        : new RegexRewriter(pathRegex, `${place}.host_rewrite_path_regex`);
    const format = config.hostRewriteFormat;
    this.#format =
      format === undefined || format === ''
        ? null
        : new HeaderFormat(format, `${place}.host_rewrite`, { missing: '-' });
  }

  /** Nothing is configured. */
  get empty(): boolean {
    return (
      this.#literal === undefined &&
      this.#header === null &&
      this.#pathRegex === null &&
      this.#format === null
    );
  }

  /** Undefined or '': the host stays. A path pattern that does not match leaves the whole path (§16). */
  newHost(headers: RequestHeaders, info: StreamInfo): string | undefined {
    if (this.#literal !== undefined) return this.#literal;
    if (this.#header !== null) return headers.getAny(this.#header);
    if (this.#pathRegex !== null) return this.#pathRegex.rewrite(pathWithoutQuery(headers.path));
    return this.#format?.format(headers, null, info);
  }
}
