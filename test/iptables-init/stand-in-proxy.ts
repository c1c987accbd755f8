// Stands where proxy and agent stand in a pod: says at which port something arrived and where it was going, or passes it on. [m]
//
// Argument: JSON of Behaviour. A connection's first line is the number of hops it has left: 0 asks for an answer.
import { createSocket } from 'node:dgram';
import { createRequire } from 'node:module';
import { createServer, Socket } from 'node:net';
import type { Server } from 'node:net';
import process from 'node:process';
import { originalDestination } from '../../proxy/network/original-dst.ts';

export interface Behaviour {
  /** Service addresses and the endpoints behind them, `host port`. */
  readonly services: Readonly<Record<string, string>>;
  /** Connects to the application from the client's address and with a mark, as the original_src filter does. */
  readonly keepsClient: boolean;
}

type Family = 'IPv4' | 'IPv6';
const behaviour = JSON.parse(process.argv[2] ?? '{}') as Behaviour;
const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
const c = koffi.load(null);
const setSockOpt = c.func('int setsockopt(int fd, int level, int name, void *value, int length)');
const makeSocket = c.func('int socket(int family, int type, int protocol)');
const bindSocket = c.func('int bind(int fd, void *address, int length)');
const connectSocket = c.func('int connect(int fd, void *address, int length)');

const mostConnections = 50_000;
let connections = 0;
const ready: Promise<unknown>[] = [];
for (const port of [15001, 15006, 15053]) {
  for (const family of ['IPv4', 'IPv6'] as const) ready.push(listen(port, family));
}
for (const type of ['udp4', 'udp6'] as const) ready.push(answerDns(type));
await Promise.all(ready);
process.stdout.write('ready\n');

function listen(port: number, family: Family): Promise<unknown> {
  const server = createServer({ allowHalfOpen: true }, (downstream) =>
    accept(downstream, port, family),
  );
  const host = family === 'IPv4' ? '0.0.0.0' : '::';
  return new Promise((resolve) => {
    server.listen({ port, host, ipv6Only: family === 'IPv6', backlog: 2048 }, () => {
      if (port === 15006 && behaviour.keepsClient) setFlag(fdOf(server), ...transparent(family));
      resolve(undefined);
    });
  });
}

function accept(downstream: Socket, port: number, family: Family): void {
  // Where the rules let the proxy's own traffic come back, every connection would make the next one.
  if (++connections > mostConnections) process.exit(1);
  downstream.on('error', () => {});
  const destination = originalDestination(fdOf(downstream), family);
  const { address, port: to } = destination ?? {
    address: downstream.localAddress ?? '',
    port: downstream.localPort ?? 0,
  };
  const place = `${port} ${address}:${to} from ${downstream.remoteAddress}`;
  downstream.once('data', (data: Buffer) => {
    const hops = Number(data.toString());
    if (hops === 0) {
      downstream.end(place);
      return;
    }
    const [host = address, hostPort = String(to)] =
      behaviour.services[`${address} ${to}`]?.split(' ') ?? [];
    const source =
      port === 15006
        ? behaviour.keepsClient
          ? downstream.remoteAddress!
          : passthrough(family)
        : undefined;
    const upstream = dial(family, host, Number(hostPort), source);
    if (upstream === undefined) {
      downstream.end(`${place} > cannot connect`);
      return;
    }
    upstream.on('error', (error: NodeJS.ErrnoException) => downstream.end(`error ${error.code}`));
    downstream.write(`${place} > `);
    upstream.pipe(downstream);
    upstream.end(`${hops - 1}\n`);
  });
}

/** A question with hops left goes to a resolver of ours, `dns` among the services. */
function answerDns(type: 'udp4' | 'udp6'): Promise<unknown> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  socket.on('message', (message, peer) => {
    const answer = (text: string): void => socket.send(text, peer.port, peer.address);
    if (Number(message.toString()) === 0) return answer(`15053 udp from ${peer.address}`);
    const [host = ''] = behaviour.services[`dns ${type}`]?.split(' ') ?? [];
    const question = createSocket(type);
    question.once('message', (reply) => {
      question.close();
      answer(`15053 udp > ${reply.toString()}`);
    });
    question.send('0\n', 53, host);
  });
  // As the agent does: bound to localhost, so that answers leave from the address questions were redirected to.
  const host = type === 'udp4' ? '127.0.0.1' : '::1';
  return new Promise((resolve) => void socket.bind(15053, host, () => resolve(undefined)));
}

function passthrough(family: Family): string {
  return family === 'IPv4' ? '127.0.0.6' : '::6';
}

/** Blocks, which is right for a test on one machine. A source that is not this pod's own needs a transparent socket. */
function dial(
  family: Family,
  host: string,
  port: number,
  source: string | undefined,
): Socket | undefined {
  const fd = makeSocket(family === 'IPv4' ? 2 : 10, 1, 0) as number;
  if (behaviour.keepsClient && source !== undefined) {
    setFlag(fd, ...transparent(family));
    setNumber(fd, 1, 36, 1337); // SO_MARK
  }
  if (source !== undefined) {
    const local = socketAddress(family, source, 0);
    if (bindSocket(fd, local, local.length) !== 0) return undefined;
  }
  const remote = socketAddress(family, host, port);
  if (connectSocket(fd, remote, remote.length) !== 0) return undefined;
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true } as never);
}

function transparent(family: Family): readonly [level: number, name: number] {
  return family === 'IPv4' ? [0, 19] : [41, 75];
}

function setFlag(fd: number, level: number, name: number): void {
  setNumber(fd, level, name, 1);
}

function setNumber(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  if (setSockOpt(fd, level, name, bytes, 4) !== 0)
    throw new Error(`setsockopt ${level} ${name} is refused`);
}

function socketAddress(family: Family, host: string, port: number): Buffer {
  const bytes = Buffer.alloc(family === 'IPv4' ? 16 : 28);
  bytes.writeUInt16LE(family === 'IPv4' ? 2 : 10, 0);
  bytes.writeUInt16BE(port, 2);
  if (family === 'IPv4')
    for (const [at, byte] of host.split('.').entries()) bytes.writeUInt8(Number(byte), 4 + at);
  else for (const [at, group] of ipv6Groups(host).entries()) bytes.writeUInt16BE(group, 8 + 2 * at);
  return bytes;
}

function ipv6Groups(host: string): readonly number[] {
  const [left = [], right = []] = host
    .split('::')
    .map((part) => part.split(':').filter((text) => text !== ''));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function fdOf(handle: Socket | Server): number {
  return (handle as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}
