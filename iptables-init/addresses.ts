// IP addresses and ranges as numbers, so that two spellings of one are equal. [m] RFC 4291.
import { isIPv4, isIPv6 } from 'node:net';
import type { Family } from './options.ts';

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface Range {
  readonly family: Family;
  /** Address of the network: host bits are zero. */
  readonly first: bigint;
  readonly bits: number;
}

export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 'IPv4', value: ipv4Value(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [head = '', tail] = text.split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0n);
  let value = 0n;
  for (const group of [...left, ...zeros, ...right]) value = (value << 16n) | group;
  return { family: 'IPv6', value };
}

/** A range, or an address, which is the range of itself. */
export function parseRange(text: string): Range | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const width = address.family === 'IPv4' ? 32 : 128;
  const bits = slash < 0 ? width : Number(text.slice(slash + 1));
  if (!Number.isInteger(bits) || bits < 0 || bits > width) return undefined;
  const hostBits = BigInt(width - bits);
  return { family: address.family, first: (address.value >> hostBits) << hostBits, bits };
}

export function contains(range: Range, address: Address): boolean {
  if (range.family !== address.family) return false;
  const hostBits = BigInt((range.family === 'IPv4' ? 32 : 128) - range.bits);
  return address.value >> hostBits === range.first >> hostBits;
}

function groupsOf(text: string): readonly bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const value = ipv4Value(group);
    return [value >> 16n, value & 0xffffn];
  });
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
