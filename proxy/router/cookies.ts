// [w] Cookies of a request, read where they stand (envoy-behaviour §3.2, §3.6).
import type { CookieAttributeConfig } from '../config/route-config.ts';
import { wireText } from './wire-text.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { H } from '../http/headers.ts';

/** First cookie of that name, without quotes around its value. */
export function cookieValue(headers: HeaderMap, name: string): string | undefined {
  if (!headers.has(H.cookie)) return undefined;
  for (let i = 0; i < headers.size; i++) {
    if (headers.nameAt(i) !== H.cookie) continue;
    const value = valueIn(headers.valueAt(i), name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function valueIn(line: string, name: string): string | undefined {
  for (let start = 0; start < line.length;) {
    let end = line.indexOf(';', start);
    if (end < 0) end = line.length;
    while (start < end && (line.charCodeAt(start) === 0x20 || line.charCodeAt(start) === 0x09))
      start++;
    const equals = start + name.length;
    if (equals < end && line.charCodeAt(equals) === 0x3d && line.startsWith(name, start))
      return unquoted(line.slice(equals + 1, end));
    start = end + 1;
  }
  return undefined;
}

const unquoted = (value: string): string =>
  value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;

/** What follows the value. Without a whole second to live it is a session's cookie. */
export function cookieTail(config: {
  readonly ttlMs: number | undefined;
  readonly path: string;
  readonly attributes?: readonly CookieAttributeConfig[] | undefined;
}): string {
  const seconds = Math.floor((config.ttlMs ?? 0) / 1000);
  let tail = seconds === 0 ? '' : `; Max-Age=${seconds}`;
  if (config.path !== '') tail += `; Path=${config.path}`;
  for (const { name, value } of config.attributes ?? [])
    tail += value === '' ? `; ${name}` : `; ${name}=${value}`;
  return wireText(`${tail}; HttpOnly`);
}
