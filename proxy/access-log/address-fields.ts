// [w] Commands that print addresses, ports, networks and host names (envoy-behaviour §11.1).
import { ipFamily } from '../base/ip-text.ts';
import { bare, configText, getter, orNull, wireText } from './field.ts';
import type { CommandTable, CompiledField, Field } from './field.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

type Address = (info: StreamInfo) => string;

export function withoutPort(address: string): string {
  const colon = address.lastIndexOf(':');
  if (colon < 0) return address;
  const host = address.slice(0, colon);
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

function portOf(address: string): number | null {
  const colon = address.lastIndexOf(':');
  const port = colon < 0 ? NaN : Number(address.slice(colon + 1));
  return Number.isInteger(port) ? port : null;
}

const port =
  (address: Address): Field =>
  ({ info }) =>
    portOf(address(info));

const local: Address = ({ connection }) => connection.localAddress;
const directLocal: Address = ({ connection }) =>
  connection.directLocalAddress ?? connection.localAddress;
const remote: Address = (info) => info.remoteAddress;
const directRemote: Address = ({ connection }) =>
  connection.socketRemoteAddress ?? connection.directRemoteAddress;
const upstreamLocal: Address = (info) => info.upstreamLocalAddress;
/** The peer of the connection, which a host that could not be reached has none of. */
const upstreamRemote: Address = ({ upstreamConnection: connection }) =>
  connection === null ? '' : (connection.remoteAddress ?? connection.host.addressText);
const hostName: Address = ({ host }) =>
  host === null ? '' : host.hostname === '' ? host.addressText : host.hostname;
const attemptedHost: Address = (info) =>
  info.upstreamConnection === null ? '' : info.upstreamHost;
const attemptedName: Address = (info) => (info.upstreamConnection === null ? '' : hostName(info));

const FIELDS: Readonly<Record<string, Field>> = {
  UPSTREAM_HOST: wireText((info) => info.upstreamHost),
  UPSTREAM_HOST_NAME: configText(hostName),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: configText((info) => withoutPort(hostName(info))),
  UPSTREAM_HOSTS_ATTEMPTED: wireText(attemptedHost),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: wireText((info) => withoutPort(attemptedHost(info))),
  UPSTREAM_HOST_NAMES_ATTEMPTED: configText(attemptedName),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: configText((info) =>
    withoutPort(attemptedName(info)),
  ),
  UPSTREAM_LOCAL_ADDRESS: wireText(upstreamLocal),
  UPSTREAM_LOCAL_PORT: port(upstreamLocal),
  UPSTREAM_REMOTE_ADDRESS: wireText(upstreamRemote),
  UPSTREAM_REMOTE_PORT: port(upstreamRemote),
  DOWNSTREAM_REMOTE_ADDRESS: wireText(remote),
  DOWNSTREAM_REMOTE_PORT: port(remote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: wireText(directRemote),
  DOWNSTREAM_DIRECT_REMOTE_PORT: port(directRemote),
  DOWNSTREAM_LOCAL_ADDRESS: wireText(local),
  DOWNSTREAM_LOCAL_PORT: ({ info }) => info.connection.localPort,
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: wireText(directLocal),
  DOWNSTREAM_DIRECT_LOCAL_PORT: port(directLocal),
  // Only Envoy's internal listeners have endpoint ids.
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: () => '',
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: () => '',
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: ({ info }) => (info.upstreamConnection === null ? null : ''),
};

const IPS: readonly (readonly [string, Address])[] = [
  ['DOWNSTREAM_REMOTE_ADDRESS', (info) => info.remoteIp],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', (info) => withoutPort(directRemote(info))],
  ['DOWNSTREAM_LOCAL_ADDRESS', ({ connection }) => connection.localIp],
  ['DOWNSTREAM_DIRECT_LOCAL_ADDRESS', (info) => withoutPort(directLocal(info))],
  ['UPSTREAM_LOCAL_ADDRESS', (info) => withoutPort(upstreamLocal(info))],
  ['UPSTREAM_REMOTE_ADDRESS', (info) => withoutPort(upstreamRemote(info))],
];

/** `%…_WITHOUT_PORT(24)%` prints the network, anything that is no number the address. */
function compileIp(address: Address, args: string): CompiledField {
  if (args.startsWith('-') && /^-[0-9]{1,9}$/.test(args)) return getter(() => '');
  if (!/^[0-9]{1,9}$/.test(args)) return getter(wireText(address));
  const prefixLength = Number(args);
  return getter(({ info }) => orNull(network(address(info), prefixLength)));
}

/** `10.1.2.3` with 24 is `10.1.2.0/24`. */
export function network(ip: string, prefixLength: number): string {
  const family = ipFamily(ip);
  if (family === 0) return ip;
  const length = Math.min(prefixLength, family === 4 ? 32 : 128);
  const masked = family === 4 ? maskV4(ip, length) : printV6(maskedWords(ip, length));
  return `${masked}/${length}`;
}

function maskV4(ip: string, length: number): string {
  return ip
    .split('.')
    .map((byte, index) => Number(byte) & byteMask(length - index * 8, 8))
    .join('.');
}

/** The upper `length` of `width` bits. */
function byteMask(length: number, width: number): number {
  const ones = Math.max(0, Math.min(width, length));
  return ((1 << ones) - 1) << (width - ones);
}

function maskedWords(ip: string, length: number): readonly number[] {
  const [head = '', tail] = ip.split('::');
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').flatMap(wordsOf));
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => 0);
  return [...front, ...zeros, ...back].map(
    (word, index) => word & byteMask(length - index * 16, 16),
  );
}

/** A group, or the IPv4 form of the last two. */
function wordsOf(group: string): number[] {
  if (!group.includes('.')) return [Number(`0x${group}`)];
  const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

/** RFC 5952: the longest run of two zero groups or more is left out. */
function printV6(words: readonly number[]): string {
  let best = -1;
  let bestLength = 1;
  for (let at = 0; at < words.length; at++) {
    let run = 0;
    while (at + run < words.length && words[at + run] === 0) run++;
    if (run > bestLength) {
      best = at;
      bestLength = run;
    }
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  if (best < 0) return hex(words);
  return `${hex(words.slice(0, best))}::${hex(words.slice(best + bestLength))}`;
}

export const ADDRESS_COMMANDS: CommandTable = [
  ...bare(FIELDS),
  ...IPS.map(([name, address]): CommandTable[number] => [
    `${name}_WITHOUT_PORT`,
    { form: 'optional', compile: ({ args = '' }) => compileIp(address, args) },
  ]),
];
