// [b] PathRewriter: prefix_rewrite and regex_rewrite of routes and redirects (envoy-behaviour §3.4).
import type { RegexRewriteConfig } from '../config/matcher-config.ts';
import { RegexRewriter } from './regex.ts';
import { wireText } from './wire-text.ts';

export class PathRewriter {
  readonly #prefix: string | undefined;
  readonly #regex: RegexRewriter | null;

  private constructor(prefix: string | undefined, regex: RegexRewriter | null) {
    this.#prefix = prefix;
    this.#regex = regex;
  }

  /** Null where neither is configured. Throws ConfigError with `place` for a bad regex. */
  static from(
    prefix: string | undefined,
    regex: RegexRewriteConfig | undefined,
    place: string,
  ): PathRewriter | null {
    if (prefix !== undefined && prefix !== '') return new PathRewriter(wireText(prefix), null);
    if (regex === undefined) return null;
    return new PathRewriter(undefined, new RegexRewriter(regex, `${place}.regex_rewrite`));
  }

  /** `path` with its query; `matchedLength` says how much of it the route's match took. The query stays as it is. */
  rewrite(path: string, matchedLength: number): string {
    if (this.#prefix !== undefined) return this.#prefix + path.slice(matchedLength);
    const question = path.indexOf('?');
    if (question < 0) return this.#regex!.rewrite(path);
    return this.#regex!.rewrite(path.slice(0, question)) + path.slice(question);
  }
}

export const pathWithoutQuery = (path: string): string => {
  const question = path.indexOf('?');
  return question < 0 ? path : path.slice(0, question);
};
