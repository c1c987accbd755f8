// [w] One listening socket of one worker. Workers share a TCP port by SO_REUSEPORT: the kernel spreads connections. A pipe,
// and a port that is not to be shared, one worker has alone.
import { fs } from '../base/node-builtins.ts';
import type { AddressConfig, ListenSocketConfig } from '../config/listener-config.ts';
import type { SocketOptionConfig } from '../config/socket-config.ts';
import type { Closable } from '../base/lifetime.ts';
import { errorText } from './error-text.ts';
import type { IoThread } from './io-thread.ts';
import { whyNoLibc } from './libc.ts';
import {
  fastOpenOption,
  freebindOption,
  keepaliveOptions,
  ofFamily,
  openTcpDescriptor,
  setOptions,
  transparentOption,
} from './socket-options.ts';
import {
  IPV6_ONLY,
  REUSE_PORT,
  bindPipe,
  isTcp,
  newPipeServer,
  newTcpServer,
} from './socket-binding.ts';
import type { SocketHandle, SocketName } from './socket-binding.ts';

export type AcceptHandler = (handle: SocketHandle) => void;

export interface ListenSocketSettings {
  readonly backlog: number;
  /** Other workers listen on the same port. Default true. */
  readonly reusePort?: boolean;
  readonly socket?: ListenSocketConfig | undefined;
}

/** Thrown by the constructor: `cannot bind '127.0.0.1:80': Permission denied`. */
export class BindError extends Error {
  constructor(address: string, reason: string) {
    super(`cannot bind '${address}': ${reason}`);
    this.name = 'BindError';
  }
}

export class ListenSocket implements Closable {
  readonly #io: IoThread;
  readonly #handle: SocketHandle;
  readonly #asked: AddressConfig;
  #onAccept: AcceptHandler;
  #closed = false;

  constructor(
    io: IoThread,
    address: AddressConfig,
    settings: ListenSocketSettings,
    onAccept: AcceptHandler,
  ) {
    this.#io = io;
    this.#asked = address;
    this.#onAccept = onAccept;
    this.#handle =
      address.kind === 'pipe'
        ? listenOnPipe(address.path, address.mode, settings.backlog)
        : listenOnPort(address.address, address.port, settings);
    this.#handle.owner = this;
    this.#handle.onconnection = onHandleConnection;
  }

  /** With the port the kernel gave when 0 was asked for. */
  get address(): AddressConfig {
    const asked = this.#asked;
    return asked.kind === 'ip' ? { ...asked, port: this.port } : asked;
  }

  /** 0 for a pipe. */
  get port(): number {
    if (!isTcp(this.#handle)) return 0;
    const name: SocketName = {};
    this.#handle.getsockname(name);
    return name.port ?? 0;
  }

  accept(status: number, client: SocketHandle): void {
    if (status !== 0) return;
    if (this.#closed) {
      client.close();
      return;
    }
    if (isTcp(client)) client.setNoDelay(true);
    this.#io.enter();
    this.#onAccept(client);
    this.#io.leave();
  }

  /** Another listener takes it over; nobody who waits to be accepted is turned away. */
  handTo(onAccept: AcceptHandler): void {
    this.#onAccept = onAccept;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
  }
}

function listenOnPort(ip: string, port: number, settings: ListenSocketSettings): SocketHandle {
  const v6 = ip.includes(':');
  const { reusePort = true, socket, backlog } = settings;
  const options = socket === undefined ? [] : optionsOf(socket, v6);
  const handle = newTcpServer();
  const printed = v6 ? `[${ip}]:${port}` : `${ip}:${port}`;
  const check = (reason: string): void => {
    if (reason === '') return;
    handle.close();
    throw new BindError(printed, reason);
  };
  const set = (state: SocketOptionConfig['state']): void =>
    check(setOptions(handle.fd, options, state) ? '' : `a socket option is refused (${state})`);
  if (options.length > 0) {
    const fd = openTcpDescriptor(v6);
    if (fd === undefined || fd < 0) check(whyNoLibc() || 'no socket can be opened');
    else check(statusText(handle.open(fd)));
    set('PREBIND');
  }
  const flags = reusePort ? REUSE_PORT : 0;
  check(statusText(v6 ? handle.bind6(ip, port, IPV6_ONLY | flags) : handle.bind(ip, port, flags)));
  set('BOUND');
  check(statusText(handle.listen(backlog)));
  set('LISTENING');
  return handle;
}

const statusText = (status: number): string => (status === 0 ? '' : errorText(status));

/** In the order they are set. Accepted sockets inherit what is said of keep-alive. */
function optionsOf(config: ListenSocketConfig, v6: boolean): readonly SocketOptionConfig[] {
  const { transparent, freebind, keepalive, options, fastOpenQueueLength } = config;
  return [
    ...(transparent ? [transparentOption(v6)] : []),
    ...(freebind ? [freebindOption(v6)] : []),
    ...(keepalive === undefined ? [] : keepaliveOptions(keepalive)),
    ...ofFamily(options, v6),
    ...(fastOpenQueueLength > 0 ? [fastOpenOption(fastOpenQueueLength)] : []),
  ];
}

/** `@name`: no file. The file that a dead process left is replaced, as Envoy does. */
function listenOnPipe(path: string, mode: number, backlog: number): SocketHandle {
  const handle = newPipeServer();
  const isFile = !path.startsWith('@');
  try {
    if (isFile) fs.rmSync(path, { force: true });
    const bound = bindPipe(handle, isFile ? path : `\0${path.slice(1)}`);
    if (bound !== 0) throw new Error(errorText(bound));
    const status = handle.listen(backlog);
    if (status !== 0) throw new Error(errorText(status));
    if (isFile && mode !== 0) fs.chmodSync(path, mode);
    return handle;
  } catch (error) {
    handle.close();
    throw new BindError(path, (error as Error).message);
  }
}

function onHandleConnection(this: SocketHandle, status: number, client: SocketHandle): void {
  (this.owner as ListenSocket).accept(status, client);
}
