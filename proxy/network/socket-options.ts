// [w] Sets options on sockets that are not connected yet: what configuration names, keepalive, freebind.
import { LITTLE_ENDIAN } from '../base/byte-order.ts';
import type { SocketOptionConfig, TcpKeepaliveConfig } from '../config/socket-config.ts';
import { libc } from './libc.ts';

/** Linux numbers. */
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const IP_BIND_ADDRESS_NO_PORT = 24;
const IPPROTO_IPV6 = 41;
const IPV6_FREEBIND = 78;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

function option(level: number, name: number, value: number): SocketOptionConfig {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, LITTLE_ENDIAN);
  return { level, name, value: bytes, state: 'PREBIND' };
}

const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const SO_MARK = 36;
const TCP_FASTOPEN = 23;

/** Addresses that are not the machine's own, on either end (TPROXY). */
export const transparentOption = (v6: boolean): SocketOptionConfig =>
  v6 ? option(IPPROTO_IPV6, IPV6_TRANSPARENT, 1) : option(IPPROTO_IP, IP_TRANSPARENT, 1);

export const markOption = (mark: number): SocketOptionConfig =>
  option(SOL_SOCKET, SO_MARK, mark | 0);

export const fastOpenOption = (queueLength: number): SocketOptionConfig => ({
  ...option(IPPROTO_TCP, TCP_FASTOPEN, queueLength),
  state: 'LISTENING',
});

export const ofFamily = (
  options: readonly SocketOptionConfig[],
  v6: boolean,
): readonly SocketOptionConfig[] =>
  options.filter(({ family }) => family === undefined || (family === 6) === v6);

export const freebindOption = (v6: boolean): SocketOptionConfig =>
  v6 ? option(IPPROTO_IPV6, IPV6_FREEBIND, 1) : option(IPPROTO_IP, IP_FREEBIND, 1);

/** The port is chosen by connect(), so that one source address has all ports for every destination. */
export const latePortOption: SocketOptionConfig = option(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);

/** What is not said stays as the system has it. libuv's own call would probe every second, ten times. */
export function keepaliveOptions(config: TcpKeepaliveConfig): readonly SocketOptionConfig[] {
  const options = [option(SOL_SOCKET, SO_KEEPALIVE, 1)];
  const { timeSeconds, intervalSeconds, probes } = config;
  if (probes !== undefined) options.push(option(IPPROTO_TCP, TCP_KEEPCNT, probes));
  if (timeSeconds !== undefined) options.push(option(IPPROTO_TCP, TCP_KEEPIDLE, timeSeconds));
  if (intervalSeconds !== undefined)
    options.push(option(IPPROTO_TCP, TCP_KEEPINTVL, intervalSeconds));
  return options;
}

/** A descriptor that nobody else closes; negative: there is none to be had. Undefined: options cannot be set here at all. */
export function openTcpDescriptor(v6: boolean): number | undefined {
  const family = v6 ? AF_INET6 : AF_INET;
  return libc()?.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

export const closeDescriptor = (fd: number): void => void libc()?.close(fd);

/** False: the kernel refused one. */
export function setOptions(
  fd: number,
  options: readonly SocketOptionConfig[],
  state: SocketOptionConfig['state'],
): boolean {
  for (const { level, name, value, state: when } of options) {
    if (when !== state) continue;
    const calls = libc();
    if (calls !== null && calls.setsockopt(fd, level, name, value, value.length) !== 0)
      return false;
  }
  return true;
}
