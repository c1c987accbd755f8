// [w] HashPolicy: what ring hash and maglev hash of a request (envoy-behaviour §3.6). Nothing is computed unless a
// balancer asks for the key.
import type { HashPolicyConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { cookieTail, cookieValue } from './cookies.ts';
import { queryParameter } from './query-matcher.ts';
import { RegexRewriter } from './regex.ts';
import { wireText } from './wire-text.ts';
import { xxHash64OfWire } from '../base/xx-hash64.ts';

/** Takes the `set-cookie` values that hashing made. */
export interface CookieSink {
  addSetCookie(value: string): void;
}

interface Method {
  readonly config: HashPolicyConfig;
  readonly header: HeaderName | undefined;
  readonly rewriter: RegexRewriter | undefined;
  readonly name: string;
  readonly cookieTail: string;
}

export class HashPolicy {
  readonly #methods: readonly Method[];

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(configs: readonly HashPolicyConfig[], place: string) {
    this.#methods = configs.map((config, i) => ({
      config,
      header: config.kind === 'header' ? headerName(config.name) : undefined,
      rewriter:
        config.kind === 'header' && config.rewrite !== undefined
          ? new RegexRewriter(config.rewrite, `${place}[${i}].header.regex_rewrite`)
          : undefined,
      name: config.kind === 'cookie' || config.kind === 'query' ? wireText(config.name) : '',
      cookieTail: config.kind === 'cookie' ? cookieTail(config) : '',
    }));
  }

  /** Undefined: no policy found anything to hash. */
  key(headers: RequestHeaders, info: StreamInfo, cookies: CookieSink): bigint | undefined {
    let key: bigint | undefined;
    for (const method of this.#methods) {
      const hash = this.#hash(method, headers, info, cookies);
      if (hash !== undefined) {
        key = key === undefined ? hash : BigInt.asUintN(64, (key << 1n) | (key >> 63n)) ^ hash;
      }
      if (method.config.terminal && key !== undefined) return key;
    }
    return key;
  }

  #hash(
    method: Method,
    headers: RequestHeaders,
    info: StreamInfo,
    cookies: CookieSink,
  ): bigint | undefined {
    if (method.header !== undefined) return headerHash(method.header, method.rewriter, headers);
    const text = this.#subject(method, headers, info, cookies);
    return text === undefined ? undefined : xxHash64OfWire(text);
  }

  #subject(
    method: Method,
    headers: RequestHeaders,
    info: StreamInfo,
    cookies: CookieSink,
  ): string | undefined {
    const config = method.config;
    switch (config.kind) {
      case 'header':
        return undefined;
      case 'cookie': {
        const value = cookieValue(headers, method.name);
        if (value !== undefined && value !== '') return value;
        if (config.ttlMs === undefined) return undefined;
        const made = newCookieValue(info);
        cookies.addSetCookie(`${method.name}="${made}"${method.cookieTail}`);
        return made;
      }
      case 'source_ip':
        return info.remoteIp === '' ? undefined : info.remoteIp;
      case 'query':
        return queryParameter(headers.path, method.name);
      case 'filter_state': {
        const object = info.filterState?.get(config.key);
        return object?.hashable === true ? (object.text ?? undefined) : undefined;
      }
    }
  }
}

/** The order of several values has no say: sorted, each is hashed with the hash of those before as its seed. */
function headerHash(
  name: HeaderName,
  rewriter: RegexRewriter | undefined,
  headers: RequestHeaders,
): bigint | undefined {
  const single = headers.getAny(name);
  if (single === undefined) return undefined;
  const lines = headers.getAll(name);
  const values = lines.length < 2 ? [single] : lines;
  const rewritten = rewriter === undefined ? values : values.map((each) => rewriter.rewrite(each));
  return rewritten.toSorted().reduce((seed, value) => xxHash64OfWire(value, seed), 0n);
}

/** The same for all requests of a connection, so that those that race get the same. */
const newCookieValue = ({ connection }: StreamInfo): string =>
  xxHash64OfWire(connection.directRemoteAddress + connection.localAddress)
    .toString(16)
    .padStart(16, '0');
