// Asks the kernel where a redirected connection was going. [w] Linux netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h.
import { LITTLE_ENDIAN } from '../base/byte-order.ts';

import { libc, whyNoLibc } from './libc.ts';

export interface OriginalDestination {
  /** Text form as `net` writes it: dotted, or RFC 5952 without brackets. */
  readonly address: string;
  readonly port: number;
}

/** Told once per thread, where koffi or getsockopt cannot be had; from then on every answer is undefined. */
export type OnUnavailable = (reason: string) => void;

interface KernelOption {
  readonly level: number;
  /** Bytes of the socket address: sockaddr_in or sockaddr_in6. */
  readonly bytes: number;
  readonly addressFamily: number;
}

const optionName = 80; // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST share the number, the level tells them apart.
const IPv4: KernelOption = { level: 0, bytes: 16, addressFamily: 2 };
const IPv6: KernelOption = { level: 41, bytes: 28, addressFamily: 10 };

const socketAddress = Buffer.alloc(IPv6.bytes);
const socketAddressLength = new Uint32Array(1);

let told = false;

/**
 * Where the peer of an accepted socket wanted to go before iptables redirected it. Undefined where the kernel knows of no
 * such thing (a connection made straight to us, no netfilter), on other systems than Linux, and without koffi.
 *
 * The buffers are shared: nothing in here may be re-entered, and nothing is.
 *
 * @param fd of the raw libuv handle. @param family of the connection: IPv4 also for an IPv4 peer on a dual-stack socket.
 */
export function originalDestination(
  fd: number,
  family: 'IPv4' | 'IPv6',
  onUnavailable?: OnUnavailable,
): OriginalDestination | undefined {
  const calls = libc();
  if (calls === null) tell(onUnavailable);
  if (calls === null || fd < 0) return undefined;
  const option = family === 'IPv4' ? IPv4 : IPv6;
  socketAddressLength[0] = option.bytes;
  if (calls.getsockopt(fd, option.level, optionName, socketAddress, socketAddressLength) !== 0)
    return undefined;
  if (socketAddressLength[0] < option.bytes) return undefined;
  return parseSocketAddress(socketAddress);
}

/** Reads sockaddr_in or sockaddr_in6: family in host order, port and address in network order. */
export function parseSocketAddress(bytes: Buffer): OriginalDestination | undefined {
  if (bytes.length < IPv4.bytes) return undefined;
  const addressFamily = LITTLE_ENDIAN ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0);
  const port = bytes.readUInt16BE(2);
  if (addressFamily === IPv4.addressFamily) return { address: ipv4Text(bytes, 4), port };
  if (addressFamily === IPv6.addressFamily && bytes.length >= IPv6.bytes) {
    return { address: ipv6Text(bytes), port };
  }
  return undefined;
}

function tell(onUnavailable: OnUnavailable | undefined): void {
  if (told) return;
  told = true;
  onUnavailable?.(`original destinations are unknown: ${whyNoLibc()}`);
}

function ipv4Text(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952 §4: no leading zeros, the longest run of two or more zero groups becomes `::`, the first one of equals. */
function ipv6Text(bytes: Buffer): string {
  const groups: number[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(bytes.readUInt16BE(at));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return `::ffff:${ipv4Text(bytes, 20)}`; // RFC 5952 §5
  }
  const [start, length] = longestZeroRun(groups);
  const text = (from: number, to?: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return length < 2 ? text(0) : `${text(0, start)}::${text(start + length)}`;
}

function longestZeroRun(groups: readonly number[]): readonly [start: number, length: number] {
  let bestStart = 0;
  let bestLength = 0;
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue;
    if (at - start > bestLength) {
      bestStart = start;
      bestLength = at - start;
    }
    start = at + 1;
  }
  return [bestStart, bestLength];
}
