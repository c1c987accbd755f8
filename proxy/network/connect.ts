// [w] Opens upstream connections: TCP and pipes, a source address where configured, errors in Envoy's words.
import type { AddressConfig } from '../config/listener-config.ts';
import { Connection } from './connection.ts';
import type { IoThread } from './io-thread.ts';
import {
  connectPipe,
  errnoName,
  isTcp,
  newPipeConnectRequest,
  newPipeSocket,
  newTcpConnectRequest,
  newTcpSocket,
} from './socket-binding.ts';
import type { ConnectRequest, SocketHandle } from './socket-binding.ts';
import { PLAIN_TRANSPORT } from './upstream-transport.ts';
import type {
  TransportFacts,
  TransportListener,
  TransportStep,
  UpstreamTransport,
} from './upstream-transport.ts';

export interface ConnectListener {
  /** The transport (TLS, …) is ready, too. */
  onConnected(connection: Connection, transport: TransportFacts): void;
  /** `reason`: `delayed connect error: Connection refused` and the like. */
  onConnectFailed(reason: string): void;
}

export interface ConnectOptions {
  /** Source IP; undefined: the kernel's choice. */
  readonly bindAddress: string | undefined;
  /** undefined: off. */
  readonly keepAliveSeconds: number | undefined;
  /** Absent: plain. */
  readonly transport?: UpstreamTransport | null;
}

/** One attempt; exactly one listener call follows, unless cancelled. */
export class ConnectAttempt implements TransportListener {
  readonly #io: IoThread;
  readonly #options: ConnectOptions;
  #handle: SocketHandle | null;
  #listener: ConnectListener | null;
  #step: TransportStep | null = null;

  constructor(
    io: IoThread,
    address: AddressConfig,
    options: ConnectOptions,
    listener: ConnectListener,
  ) {
    this.#io = io;
    this.#options = options;
    this.#listener = listener;
    const handle = address.kind === 'pipe' ? newPipeSocket() : newTcpSocket();
    this.#handle = handle;
    const status =
      address.kind === 'pipe'
        ? this.#dialPipe(handle, address.path)
        : this.#dial(handle, address.address, address.port);
    if (status !== 0) this.#failSoon(status);
  }

  cancel(): void {
    this.#listener = null;
    this.#closeHandle();
    this.#step?.cancel();
    this.#step = null;
  }

  /** From the connect request. */
  onComplete(status: number): void {
    const handle = this.#handle;
    if (this.#listener === null || handle === null) return;
    if (status !== 0) {
      this.#closeHandle();
      this.onTransportFailed(`delayed connect error: ${errorText(status)}`);
      return;
    }
    this.#handle = null;
    const { keepAliveSeconds, transport } = this.#options;
    if (keepAliveSeconds !== undefined && isTcp(handle))
      handle.setKeepAlive(true, keepAliveSeconds);
    if (transport === undefined || transport === null) {
      this.onTransportReady(new Connection(this.#io, handle), PLAIN_TRANSPORT);
      return;
    }
    const step = transport.begin(this.#io, handle, this);
    // It may have come to its end before begin() did.
    if (this.#listener !== null) this.#step = step;
  }

  // === TransportListener

  onTransportReady(connection: Connection, facts: TransportFacts): void {
    this.#takeListener()?.onConnected(connection, facts);
  }

  onTransportFailed(reason: string): void {
    this.#takeListener()?.onConnectFailed(reason);
  }

  #takeListener(): ConnectListener | null {
    const listener = this.#listener;
    this.#listener = null;
    this.#step = null;
    return listener;
  }

  get io(): IoThread {
    return this.#io;
  }

  #dial(handle: SocketHandle, ip: string, port: number): number {
    const v6 = ip.includes(':');
    const bindAddress = this.#options.bindAddress;
    if (bindAddress !== undefined && bindAddress.includes(':') === v6) {
      const bound = v6 ? handle.bind6(bindAddress, 0, 0) : handle.bind(bindAddress, 0, 0);
      if (bound !== 0) return bound;
    }
    const request = newTcpConnectRequest();
    request.owner = this;
    request.oncomplete = onConnectComplete;
    const status = v6 ? handle.connect6(request, ip, port) : handle.connect(request, ip, port);
    // Envoy sets it on every connection; Nagle would hold small answers back.
    if (status === 0) handle.setNoDelay(true);
    return status;
  }

  #dialPipe(handle: SocketHandle, path: string): number {
    const request = newPipeConnectRequest();
    request.owner = this;
    request.oncomplete = onConnectComplete;
    return connectPipe(handle, request, path);
  }

  /** The caller is still inside the constructor: it hears of the failure in the next microtask. */
  #failSoon(status: number): void {
    queueMicrotask(() => {
      const listener = this.#listener;
      this.#listener = null;
      this.#closeHandle();
      this.#io.enter();
      listener?.onConnectFailed(`immediate connect error: ${errorText(status)}`);
      this.#io.leave();
    });
  }

  #closeHandle(): void {
    this.#handle?.close();
    this.#handle = null;
  }
}

function onConnectComplete(this: ConnectRequest, status: number): void {
  const attempt = this.owner as ConnectAttempt;
  attempt.io.enter();
  attempt.onComplete(status);
  attempt.io.leave();
}

const ERROR_TEXTS = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
  ['ETIMEDOUT', 'Connection timed out'],
  ['ECONNRESET', 'Connection reset by peer'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address'],
  ['ENOENT', 'No such file or directory'],
  ['EACCES', 'Permission denied'],
  ['EMFILE', 'Too many open files'],
  ['EINVAL', 'Invalid argument'],
]);

/** As strerror() says it on Linux. */
export function errorText(status: number): string {
  const name = errnoName(status);
  return ERROR_TEXTS.get(name) ?? name;
}
