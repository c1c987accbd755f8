// [w] Reads X-Forwarded-For from the right, where trusted proxies wrote (envoy-behaviour §1.4).
import { parseIp } from '../network/address.ts';
import type { Cidr } from '../network/address.ts';
import { trimmed } from './http1/framing.ts';

/** A longer list of trusted addresses tells nothing. */
const MAX_WALKED = 20;

/** The nth address from the right; null when there are fewer or it is none. */
export function addressFromRight(list: string | undefined, n: number): string | null {
  if (list === undefined) return null;
  let end = list.length;
  for (let i = 1; ; i++) {
    const comma = end <= 0 ? -1 : list.lastIndexOf(',', end - 1);
    if (i === n) {
      const text = trimmed(list, comma + 1, end);
      return parseIp(text) === null ? null : text;
    }
    if (comma < 0) return null;
    end = comma;
  }
}

/** The first address from the right that no range has, or the leftmost; null when something else is met before. */
export function untrustedFromRight(
  list: string | undefined,
  ranges: readonly Cidr[],
): string | null {
  if (list === undefined) return null;
  let end = list.length;
  for (let i = 0; i < MAX_WALKED; i++) {
    const comma = end <= 0 ? -1 : list.lastIndexOf(',', end - 1);
    const text = trimmed(list, comma + 1, end);
    const bytes = parseIp(text);
    if (bytes === null) return null;
    if (comma < 0 || !ranges.some((range) => range.contains(bytes))) return text;
    end = comma;
  }
  return null;
}

export const isSingle = (list: string): boolean => !list.includes(',');
