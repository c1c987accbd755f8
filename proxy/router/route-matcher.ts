// [b] RouteMatcher: the conditions of one route, compiled (envoy-behaviour §3.2). The path is tried first because it
// is the cheapest test that says no; the order does not change the answer.
import { lazyPart } from '../base/lazy-part.ts';
import type { PathMatchConfig, RouteMatchConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { fractionHolds } from './fraction.ts';
import type { Fraction } from '../base/runtime.ts';
import { CookieMatcher } from './cookie-matcher.ts';
import { FilterStateMatcher } from './filter-state-matcher.ts';
import { compileHeaderMatchers } from './header-matcher.ts';
import type { HeaderMatcher } from './header-matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';
import { QueryMatcher } from './query-matcher.ts';
import { FullMatchRegex } from './regex.ts';
import { NO_ENVIRONMENT } from './route-environment.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { asciiLowerCase } from './string-matcher.ts';
import type { UriTemplate } from './uri-template.ts';
import { wireText } from './wire-text.ts';

const uriTemplate = lazyPart<typeof import('./uri-template.ts')>('router/uri-template');

/** The path of one request as matchers see it; one object per table, filled anew for each request. */
export class MatchPath {
  /** Without query; '' for CONNECT. */
  text = '';
  #lower = '';

  /** `cutParameters`: what follows a `;` in a segment is left out as well. */
  set(path: string, cutParameters: boolean): void {
    const end = path.indexOf('?');
    this.text = end < 0 ? path : path.slice(0, end);
    if (cutParameters && this.text.includes(';')) this.text = this.text.replace(/;[^/]*/g, '');
    this.#lower = '';
  }

  get lower(): string {
    if (this.#lower === '') this.#lower = asciiLowerCase(this.text);
    return this.#lower;
  }
}

/** Conditions that hardly any route has. */
class RareConditions {
  readonly #cookies: readonly CookieMatcher[];
  readonly #metadata: readonly MetadataMatcher[];
  readonly #filterState: readonly FilterStateMatcher[];

  private constructor(config: RouteMatchConfig, place: string) {
    this.#cookies = (config.cookies ?? []).map(
      (cookie, i) => new CookieMatcher(cookie, `${place}.cookies[${i}]`),
    );
    this.#metadata = (config.dynamicMetadata ?? []).map(
      (metadata, i) => new MetadataMatcher(metadata, `${place}.dynamic_metadata[${i}]`),
    );
    this.#filterState = (config.filterState ?? []).map(
      (state, i) => new FilterStateMatcher(state, `${place}.filter_state[${i}]`),
    );
  }

  /** Null where there are none. Throws ConfigError with `place` for a bad regex. */
  static from(config: RouteMatchConfig, place: string): RareConditions | null {
    const { cookies, dynamicMetadata, filterState } = config;
    const none =
      cookies === undefined && dynamicMetadata === undefined && filterState === undefined;
    return none ? null : new RareConditions(config, place);
  }

  /** The first that does not hold; undefined when all do. */
  failing(
    headers: RequestHeaders,
    info: StreamInfo,
  ): { readonly explain: () => string } | undefined {
    return (
      this.#cookies.find((matcher) => !matcher.matches(headers)) ??
      this.#metadata.find((matcher) => !matcher.matches(info.dynamicMetadata)) ??
      this.#filterState.find((matcher) => !matcher.matches(info.filterState))
    );
  }
}

export class RouteMatcher {
  /** Where the path is a URI template, else null. */
  readonly template: UriTemplate | null;
  readonly #pathKind: PathMatchConfig['kind'];
  readonly #pathText: string;
  readonly #pathRegex: FullMatchRegex | null;
  readonly #caseSensitive: boolean;
  readonly #headers: readonly HeaderMatcher[] | null;
  readonly #query: readonly QueryMatcher[] | null;
  readonly #grpcOnly: boolean;
  readonly #fraction: Fraction | undefined;
  readonly #tlsPresented: boolean | undefined;
  readonly #tlsValidated: boolean | undefined;
  readonly #rare: RareConditions | null;

  /** Throws ConfigError with `place` for a bad regex or a bad path template. */
  constructor(
    config: RouteMatchConfig,
    place: string,
    environment: RouteEnvironment = NO_ENVIRONMENT,
  ) {
    const path = config.path;
    this.#rare = RareConditions.from(config, place);
    this.template =
      path.kind === 'uri_template'
        ? new (uriTemplate().UriTemplate)(path.template, `${place}.path_match_policy`)
        : null;
    this.#pathKind = path.kind;
    this.#caseSensitive = config.caseSensitive;
    this.#pathRegex =
      path.kind === 'regex' ? new FullMatchRegex(path.pattern, `${place}.safe_regex`) : null;
    this.#pathText = pathText(path, config.caseSensitive);
    this.#headers =
      config.headers.length === 0
        ? null
        : compileHeaderMatchers(config.headers, `${place}.headers`);
    this.#query =
      config.query.length === 0
        ? null
        : config.query.map(
            (query, i) => new QueryMatcher(query, `${place}.query_parameters[${i}]`),
          );
    this.#grpcOnly = config.grpcOnly;
    this.#fraction =
      config.fraction &&
      environment.runtime.fraction(config.fraction.runtimeKey ?? '', config.fraction);
    this.#tlsPresented = config.tlsPresented;
    this.#tlsValidated = config.tlsValidated;
  }

  matches(path: MatchPath, headers: RequestHeaders, info: StreamInfo): boolean {
    if (!this.#matchesPath(path, headers)) return false;
    if (this.#headers !== null) {
      for (let i = 0; i < this.#headers.length; i++)
        if (!this.#headers[i]!.matches(headers)) return false;
    }
    if (this.#query !== null) {
      for (let i = 0; i < this.#query.length; i++)
        if (!this.#query[i]!.matches(headers.path)) return false;
    }
    if (this.#grpcOnly && !isGrpcRequest(headers)) return false;
    if (this.#fraction !== undefined && !fractionHolds(this.#fraction, info.streamRandom))
      return false;
    if (this.#rare !== null && this.#rare.failing(headers, info) !== undefined) return false;
    return this.#matchesTls(info);
  }

  /**
   * How much of a matching path the match took: what `prefix_rewrite` replaces. `path` without query. -1 where ignored
   * path parameters stand within that part.
   */
  matchedLength(path: string): number {
    switch (this.#pathKind) {
      case 'prefix':
      case 'path':
      case 'separated_prefix': {
        const text = this.#caseSensitive ? path : asciiLowerCase(path);
        return text.startsWith(this.#pathText) ? this.#pathText.length : -1;
      }
      default:
        return path.length;
    }
  }

  /** The first condition that does not hold, in words; undefined when all do. For explanations, not for traffic. */
  explain(path: MatchPath, headers: RequestHeaders, info: StreamInfo): string | undefined {
    if (!this.#matchesPath(path, headers)) {
      return `path ${this.#pathKind} '${this.#pathText}'${this.#caseSensitive ? '' : ' ignoring case'}`;
    }
    const header = this.#headers?.find((matcher) => !matcher.matches(headers));
    if (header !== undefined) return header.explain();
    const query = this.#query?.find((matcher) => !matcher.matches(headers.path));
    if (query !== undefined) return query.explain();
    if (this.#grpcOnly && !isGrpcRequest(headers)) return 'gRPC only';
    if (this.#fraction !== undefined && !fractionHolds(this.#fraction, info.streamRandom)) {
      return `${this.#fraction.numerator} of ${this.#fraction.denominator} requests`;
    }
    const rare = this.#rare?.failing(headers, info);
    if (rare !== undefined) return rare.explain();
    return this.#matchesTls(info) ? undefined : 'client certificate';
  }

  #matchesPath(path: MatchPath, headers: RequestHeaders): boolean {
    if (this.#pathKind === 'connect') return headers.method === 'CONNECT';
    if (path.text === '') return false;
    const text = this.#caseSensitive ? path.text : path.lower;
    switch (this.#pathKind) {
      case 'prefix':
        return this.#pathText === '/' || text.startsWith(this.#pathText);
      case 'path':
        return text === this.#pathText;
      case 'separated_prefix':
        return (
          text.startsWith(this.#pathText) &&
          (text.length === this.#pathText.length || text.charCodeAt(this.#pathText.length) === 0x2f)
        );
      case 'regex':
        return this.#pathRegex!.matches(path.text);
      case 'uri_template':
        return this.template!.matches(path.text);
      default:
        return false;
    }
  }

  #matchesTls(info: StreamInfo): boolean {
    const presented = this.#tlsPresented;
    const validated = this.#tlsValidated;
    if (presented === undefined && validated === undefined) return true;
    const tls = info.connection.tlsFacts;
    const isPresented = tls !== undefined && tls.peer !== null;
    if (presented !== undefined && presented !== isPresented) return false;
    return validated === undefined || validated === (isPresented && tls.validated);
  }
}

function pathText(path: PathMatchConfig, caseSensitive: boolean): string {
  switch (path.kind) {
    case 'prefix':
    case 'path':
    case 'separated_prefix':
      return wireText(caseSensitive ? path.value : asciiLowerCase(path.value));
    case 'regex':
      return path.pattern;
    case 'connect':
      return '';
    case 'uri_template':
      return path.template;
  }
}
