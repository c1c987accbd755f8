// [b] Is this text an IP address? As node:net's isIP() answers (inet_pton, and a zone behind an IPv6 address), without that module: it
// brings streams, resolver and socket bindings that no worker uses, 0.6 MB a thread (docs/performance.md).

const DOT = 0x2e;
const COLON = 0x3a;
const IPV6_GROUPS = 8;

/** 4, 6, or 0: none. */
export function ipFamily(text: string): 0 | 4 | 6 {
  if (isIpv4(text)) return 4;
  return isIpv6(text) ? 6 : 0;
}

export const isIpv4 = (text: string): boolean => endOfIpv4(text, 0) === text.length;

export function isIpv6(text: string): boolean {
  const zone = text.indexOf('%');
  const end = zone < 0 ? text.length : zone;
  return (zone < 0 || isZone(text, zone + 1)) && isPlainIpv6(text, end);
}

/** Where four numbers with dots between them, from `start` on, have their end; -1: there are none. */
function endOfIpv4(text: string, start: number): number {
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(at++) !== DOT) return -1;
    let value = 0;
    const first = at;
    for (; at - first < 3; at++) {
      const digit = text.charCodeAt(at) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const leadingZero = at - first > 1 && text.charCodeAt(first) === 0x30;
    if (at === first || value > 255 || leadingZero) return -1;
  }
  return at;
}

function isPlainIpv6(text: string, end: number): boolean {
  let groups = 0;
  let gap = text.startsWith('::');
  let at = gap ? 2 : 0;
  while (at < end) {
    const group = at;
    at = endOfGroup(text, group, end);
    if (at === group) return false;
    if (at < end && text.charCodeAt(at) === DOT) {
      groups += 2;
      return isWhole(groups, gap) && endOfIpv4(text, group) === end;
    }
    groups++;
    if (at === end) break;
    if (text.charCodeAt(at++) !== COLON || at === end) return false;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap) return false;
    gap = true;
    at++;
  }
  return isWhole(groups, gap);
}

function endOfGroup(text: string, start: number, end: number): number {
  const limit = Math.min(end, start + 4);
  let at = start;
  while (at < limit && isHex(text.charCodeAt(at))) at++;
  return at;
}

const isWhole = (groups: number, gap: boolean): boolean =>
  gap ? groups < IPV6_GROUPS : groups === IPV6_GROUPS;

const isHex = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);

function isZone(text: string, start: number): boolean {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const letter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
    // Digits, and what may stand in an interface's name: `-`, `.`, `:`.
    const other = (code >= 0x30 && code <= COLON) || code === 0x2d || code === DOT;
    if (!letter && !other) return false;
  }
  return start < text.length;
}
