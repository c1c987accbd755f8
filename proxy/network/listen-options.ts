// [w] Options of listening sockets that libuv has no names for: set through the C library on a socket of our own, which
// libuv then takes over (Linux socket(7), ip(7), ipv6(7), tcp(7)).
import { endianness } from 'node:os';

import type { ListenSocketConfig, SocketOptionConfig } from '../config/listener-config.ts';
import { libc, whyNoLibc } from './libc.ts';
import type { Libc } from './libc.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

const Level = { Ip: 0, Socket: 1, Tcp: 6, Ipv6: 41 } as const;
const IP_FREEBIND = 15;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_FREEBIND = 78;
const SO_KEEPALIVE = 9;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_FASTOPEN = 23;

const littleEndian = endianness() === 'LE';

type Family = 4 | 6;

const option = (
  level: number,
  name: number,
  value: number,
  state: SocketOptionConfig['state'] = 'prebind',
): SocketOptionConfig => ({ level, name, value, state, family: undefined });

/** In the order they are set. Accepted sockets inherit what is said of keep-alive. */
export function optionsOf(
  config: ListenSocketConfig,
  family: Family,
): readonly SocketOptionConfig[] {
  const options: SocketOptionConfig[] = [];
  const v6 = family === 6;
  if (config.transparent)
    options.push(option(v6 ? Level.Ipv6 : Level.Ip, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1));
  if (config.freebind)
    options.push(option(v6 ? Level.Ipv6 : Level.Ip, v6 ? IPV6_FREEBIND : IP_FREEBIND, 1));
  const { keepalive } = config;
  if (keepalive !== undefined) {
    options.push(option(Level.Socket, SO_KEEPALIVE, 1));
    for (const [name, value] of [
      [TCP_KEEPCNT, keepalive.probes],
      [TCP_KEEPIDLE, keepalive.timeSeconds],
      [TCP_KEEPINTVL, keepalive.intervalSeconds],
    ] as const)
      if (value !== undefined) options.push(option(Level.Tcp, name, value));
  }
  options.push(...config.options.filter((each) => (each.family ?? family) === family));
  if (config.fastOpenQueueLength > 0)
    options.push(option(Level.Tcp, TCP_FASTOPEN, config.fastOpenQueueLength, 'listening'));
  return options;
}

/** A socket of ours; throws with a reason. */
export function openSocket(family: Family): number {
  const calls = needed();
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = calls.socket(family === 6 ? AF_INET6 : AF_INET, type, 0);
  if (fd < 0) throw new Error(`cannot open a socket: errno ${calls.errno()}`);
  return fd;
}

/** Throws where the kernel refuses one. */
export function setOptions(
  fd: number,
  options: readonly SocketOptionConfig[],
  state: SocketOptionConfig['state'],
): void {
  for (const each of options) {
    if (each.state !== state) continue;
    const calls = needed();
    const bytes = bytesOf(each.value);
    if (calls.setsockopt(fd, each.level, each.name, bytes, bytes.length) !== 0)
      throw new Error(
        `cannot set socket option ${each.level}/${each.name}: errno ${calls.errno()}`,
      );
  }
}

function needed(): Libc {
  const calls = libc();
  if (calls === null) throw new Error(whyNoLibc());
  return calls;
}

function bytesOf(value: number | Uint8Array): Uint8Array {
  if (typeof value !== 'number') return value;
  const bytes = Buffer.alloc(4);
  if (littleEndian) bytes.writeInt32LE(value | 0);
  else bytes.writeInt32BE(value | 0);
  return bytes;
}
