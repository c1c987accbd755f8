// [w] HashPolicy: what ring hash and maglev hash of a request (envoy-behaviour §3.6). Nothing is computed unless a
// balancer asks for the key.
import type { HashPolicyConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
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
    }));
  }

  /** Undefined: no policy found anything to hash. */
  key(headers: RequestHeaders, info: StreamInfo, cookies: CookieSink): bigint | undefined {
    let key: bigint | undefined;
    for (const method of this.#methods) {
      const text = this.#subject(method, headers, info, cookies);
      if (text !== undefined) {
        const hash = xxHash64OfWire(text);
        key = key === undefined ? hash : BigInt.asUintN(64, (key << 1n) | (key >> 63n)) ^ hash;
      }
      if (method.config.terminal && key !== undefined) return key;
    }
    return key;
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
        return headerSubject(method, headers);
      case 'cookie': {
        const value = cookieValue(headers, method.name);
        if (value !== undefined && value !== '') return value;
        if (config.ttlMs === undefined) return undefined;
        const made = newCookieValue(info);
        cookies.addSetCookie(setCookie(method.name, made, config.ttlMs, config.path));
        return made;
      }
      case 'source_ip':
        return info.remoteIp === '' ? undefined : info.remoteIp;
      case 'query':
        return queryParameter(headers.path, method.name);
    }
  }
}

function headerSubject(method: Method, headers: RequestHeaders): string | undefined {
  const name = method.header!;
  const single = headers.getAny(name);
  if (single === undefined) return undefined;
  const values = headers.getAll(name);
  const text = values.length < 2 ? single : values.toSorted().join('');
  return method.rewriter === undefined ? text : method.rewriter.rewrite(text);
}

const newCookieValue = (info: StreamInfo): string =>
  xxHash64OfWire(info.remoteAddress + info.connection.localAddress).toString(16);

function setCookie(name: string, value: string, ttlMs: number, path: string): string {
  const age = ttlMs === 0 ? '' : `; Max-Age=${Math.floor(ttlMs / 1000)}`;
  const where = path === '' ? '' : `; Path=${path}`;
  return `${name}="${value}"${age}${where}; HttpOnly`;
}

/** First cookie of that name, without quotes around its value. */
export function cookieValue(headers: RequestHeaders, name: string): string | undefined {
  for (const line of headers.getAll(H.cookie)) {
    for (const pair of line.split(';')) {
      let start = 0;
      while (
        start < pair.length &&
        (pair.charCodeAt(start) === 0x20 || pair.charCodeAt(start) === 0x09)
      )
        start++;
      const equals = pair.indexOf('=', start);
      if (equals < 0 || pair.slice(start, equals) !== name) continue;
      const value = pair.slice(equals + 1);
      const quoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
      return quoted ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}
