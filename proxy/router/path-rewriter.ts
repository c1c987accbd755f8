// [b] PathRewriter: what routes and redirects make of a path: another prefix, a regex replacement, a URI template, a format
// (envoy-behaviour §3.4).
import { lazyPart } from '../base/lazy-part.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RegexRewriteConfig } from '../config/matcher-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { HeaderFormat } from './header-format.ts';
import { RegexRewriter } from './regex.ts';
import type { RouteMatcher } from './route-matcher.ts';
import type { UriTemplateRewriter } from './uri-template.ts';
import { wireText } from './wire-text.ts';

const uriTemplate = lazyPart<typeof import('./uri-template.ts')>('router/uri-template');

/** At most one is set. */
export interface PathRewriteConfig {
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewriteConfig | undefined;
  /** `path_rewrite_policy` */
  readonly pathRewriteTemplate?: string | undefined;
  /** `path_rewrite`, with %COMMANDS%; undefined or absent: none. */
  readonly pathRewriteFormat?: string | undefined;
}

export class PathRewriter {
  readonly #matcher: RouteMatcher;
  readonly #prefix: string | undefined;
  readonly #regex: RegexRewriter | null;
  readonly #template: UriTemplateRewriter | null;
  readonly #format: HeaderFormat | null;

  private constructor(config: PathRewriteConfig, matcher: RouteMatcher, place: string) {
    const { prefixRewrite: prefix, regexRewrite: regex, pathRewriteFormat: format } = config;
    this.#matcher = matcher;
    this.#prefix = prefix === undefined || prefix === '' ? undefined : wireText(prefix);
    this.#regex = regex === undefined ? null : new RegexRewriter(regex, `${place}.regex_rewrite`);
    this.#template = templateRewriter(config.pathRewriteTemplate, matcher, place);
    this.#format =
      format === undefined || format === ''
        ? null
        : new HeaderFormat(format, `${place}.path_rewrite`);
    if (this.#prefix !== undefined && matcher.template !== null) {
      const message = 'Cannot use prefix_rewrite with matcher extension';
      throw new ConfigError([{ path: `${place}.prefix_rewrite`, message }]);
    }
  }

  /** Null where nothing is configured. Throws ConfigError with `place`. */
  static from(
    config: PathRewriteConfig,
    matcher: RouteMatcher,
    place: string,
  ): PathRewriter | null {
    const rewriter = new PathRewriter(config, matcher, place);
    return rewriter.#empty ? null : rewriter;
  }

  get #empty(): boolean {
    return (
      this.#prefix === undefined &&
      this.#regex === null &&
      this.#template === null &&
      this.#format === null
    );
  }

  /** The new path; the query stays as it is. Undefined: nothing came out, and nothing is rewritten. */
  rewrite(headers: RequestHeaders, info: StreamInfo): string | undefined {
    const { path } = headers;
    const question = path.indexOf('?');
    const alone = question < 0 ? path : path.slice(0, question);
    if (this.#prefix !== undefined) {
      const matched = this.#matcher.matchedLength(alone);
      return matched < 0 ? undefined : this.#prefix + path.slice(matched);
    }
    const rewritten = this.#newPath(alone, headers, info);
    if (rewritten === '') return undefined;
    return question < 0 ? rewritten : rewritten + path.slice(question);
  }

  #newPath(path: string, headers: RequestHeaders, info: StreamInfo): string {
    if (this.#regex !== null) return this.#regex.rewrite(path);
    if (this.#template !== null) return this.#template.rewrite(path);
    return this.#format!.format(headers, null, info);
  }
}

function templateRewriter(
  rewrite: string | undefined,
  matcher: RouteMatcher,
  place: string,
): UriTemplateRewriter | null {
  if (rewrite === undefined) return null;
  const path = `${place}.path_rewrite_policy`;
  if (matcher.template === null) {
    const message =
      'unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without envoy.path.match.uri_template.uri_template_matcher extension';
    throw new ConfigError([{ path, message }]);
  }
  return new (uriTemplate().UriTemplateRewriter)(rewrite, matcher.template, path);
}

export const pathWithoutQuery = (path: string): string => {
  const question = path.indexOf('?');
  return question < 0 ? path : path.slice(0, question);
};
