// [w] Addresses and CIDR ranges: parse, print, match. IPv4-mapped IPv6 (`::ffff:a.b.c.d`) is treated as IPv4.
import { isIpv4, isIpv6 } from '../base/ip-text.ts';

/** Four or sixteen bytes; null when `text` is no IP address. */
export function parseIp(text: string): Uint8Array | null {
  if (isIpv4(text)) return parseIpv4(text);
  if (!isIpv6(text)) return null;
  const mapped = mappedIpv4(text);
  return mapped === null ? parseIpv6(text) : parseIpv4(mapped);
}

function mappedIpv4(text: string): string | null {
  const lower = text.toLowerCase();
  if (!lower.startsWith('::ffff:')) return null;
  const rest = lower.slice(7);
  return isIpv4(rest) ? rest : null;
}

/** The kernel prints IPv4 peers of a dual-stack socket as mapped addresses; logs and matches want the plain form. */
export const plainIp = (text: string): string => mappedIpv4(text) ?? text;

function parseIpv4(text: string): Uint8Array {
  const bytes = new Uint8Array(4);
  let index = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      bytes[index++] = value;
      value = 0;
    } else value = value * 10 + (code - 0x30);
  }
  bytes[index] = value;
  return bytes;
}

function parseIpv6(text: string): Uint8Array {
  const zone = text.indexOf('%');
  const plain = zone < 0 ? text : text.slice(0, zone);
  const halves = plain.split('::');
  const head = groups(halves[0]!);
  const tail = halves.length > 1 ? groups(halves[1]!) : [];
  const bytes = new Uint8Array(16);
  for (let i = 0; i < head.length; i++) bytes[i] = head[i]!;
  for (let i = 0; i < tail.length; i++) bytes[16 - tail.length + i] = tail[i]!;
  return bytes;
}

function groups(text: string): number[] {
  const bytes: number[] = [];
  if (text === '') return bytes;
  for (const group of text.split(':')) {
    if (group.includes('.')) bytes.push(...parseIpv4(group));
    else {
      const value = Number(`0x${group}`);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

/** A compiled range. */
export class Cidr {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;

  /** Throws when `address` is no IP address; the decoder has checked it. */
  constructor(address: string, prefixLength: number) {
    const bytes = parseIp(address);
    if (bytes === null) throw new Error(`not an IP address: ${address}`);
    this.bytes = bytes;
    this.prefixLength = Math.min(prefixLength, bytes.length * 8);
  }

  contains(ip: Uint8Array): boolean {
    if (ip.length !== this.bytes.length) return false;
    const whole = this.prefixLength >> 3;
    for (let i = 0; i < whole; i++) if (ip[i] !== this.bytes[i]) return false;
    const rest = this.prefixLength & 7;
    if (rest === 0) return true;
    const mask = (0xff << (8 - rest)) & 0xff;
    return (ip[whole]! & mask) === (this.bytes[whole]! & mask);
  }
}

export const isLoopbackIp = (text: string): boolean => text.startsWith('127.') || text === '::1';

/** `a.b.c.d:port` or `[v6]:port`. */
export const printAddress = (ip: string, port: number): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;

/** The network that an address is in, as `10.1.0.0/16`; null: no IP address. */
export function maskedIp(
  text: string,
  v4PrefixLength: number,
  v6PrefixLength: number,
): string | null {
  const bytes = parseIp(text);
  if (bytes === null) return null;
  const length = bytes.length === 4 ? v4PrefixLength : v6PrefixLength;
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.max(0, Math.min(8, length - i * 8));
    bytes[i] = bytes[i]! & (0xff << (8 - kept));
  }
  return `${printIp(bytes)}/${length}`;
}

export interface IpPort {
  readonly ip: string;
  readonly port: number;
}

/** `1.2.3.4:80` or `[::1]:80`; null for anything else. */
export function parseIpPort(text: string): IpPort | null {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return null;
  const bracketed = text.startsWith('[') && text[colon - 1] === ']';
  const ip = bracketed ? text.slice(1, colon - 1) : text.slice(0, colon);
  if (parseIp(ip) === null || (ip.includes(':') && !bracketed)) return null;
  let port = 0;
  if (colon + 1 === text.length || text.length - colon > 6) return null;
  for (let i = colon + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    port = port * 10 + digit;
  }
  return port > 65535 ? null : { ip, port };
}

/** As inet_ntop prints it: the longest run of zero groups, of two at least, becomes `::`. */
export function printIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups16 = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  let longest = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups16[end] === 0) end++;
    if (end - start > longest.length) longest = { start, length: end - start };
  }
  const hex = groups16.map((group) => group.toString(16));
  if (longest.start < 0) return hex.join(':');
  const tail = hex.slice(longest.start + longest.length);
  return `${hex.slice(0, longest.start).join(':')}::${tail.join(':')}`;
}
