// [w] Opens one upstream connection: TCP or a pipe, from a source address and with socket options where configured, then
// its transport (TLS, …). Errors in Envoy's words.
import type { AddressConfig } from '../config/listener-config.ts';
import { errorText } from './error-text.ts';
import { Connection } from './connection.ts';
import type { DialOptions, FamilyDialling } from './dial-options.ts';
import type { IoThread } from './io-thread.ts';
import { closeDescriptor, openTcpDescriptor, setOptions } from './socket-options.ts';
import {
  connectPipe,
  newPipeConnectRequest,
  newPipeSocket,
  newTcpConnectRequest,
  newTcpSocket,
} from './socket-binding.ts';
import type { ConnectRequest, SocketHandle } from './socket-binding.ts';
import { PLAIN_TRANSPORT } from './upstream-transport.ts';
import type { TransportFacts, TransportListener, TransportStep } from './upstream-transport.ts';

export interface ConnectListener {
  /** The transport (TLS, …) is ready, too. */
  onConnected(connection: Connection, transport: TransportFacts): void;
  /** `reason`: `delayed connect error: Connection refused` and the like. `local`: it is no fault of the other side. */
  onConnectFailed(reason: string, local: boolean): void;
  /** The host has several addresses, and another one is being tried. */
  onFurtherAttempt?(): void;
}

/** What a dial may be given up with. */
export interface Dialled {
  /** No listener call comes after this. */
  cancel(): void;
}

/** One attempt; exactly one listener call follows, unless cancelled. */
export class ConnectAttempt implements TransportListener, Dialled {
  readonly #io: IoThread;
  readonly #options: DialOptions;
  readonly #address: AddressConfig;
  #handle: SocketHandle | null = null;
  #listener: ConnectListener | null;
  #step: TransportStep | null = null;

  constructor(
    io: IoThread,
    address: AddressConfig,
    options: DialOptions,
    listener: ConnectListener,
  ) {
    this.#io = io;
    this.#options = options;
    this.#address = address;
    this.#listener = listener;
    if (address.kind === 'pipe') this.#dialPipe(address.path);
    else this.#dial(address.address, address.port);
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
    const { transport } = this.#options;
    if (transport === null) {
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
    this.#takeListener()?.onConnectFailed(reason, false);
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

  #dial(ip: string, port: number): void {
    const v6 = ip.includes(':');
    const family = v6 ? this.#options.v6 : this.#options.v4;
    const handle = newTcpSocket();
    this.#handle = handle;
    const plain = family.source === null && family.socketOptions.length === 0;
    const problem = plain ? null : prepare(handle, family, v6);
    if (problem !== null) {
      this.#failSoon(problem, true);
      return;
    }
    const request = newTcpConnectRequest();
    request.owner = this;
    request.oncomplete = onConnectComplete;
    const status = v6 ? handle.connect6(request, ip, port) : handle.connect(request, ip, port);
    // Envoy sets it on every connection; Nagle would hold small answers back.
    if (status === 0) handle.setNoDelay(true);
    else this.#failSoon(this.#immediate(status), false);
  }

  #dialPipe(path: string): void {
    const handle = newPipeSocket();
    this.#handle = handle;
    const request = newPipeConnectRequest();
    request.owner = this;
    request.oncomplete = onConnectComplete;
    const status = connectPipe(handle, request, path);
    if (status !== 0) this.#failSoon(this.#immediate(status), false);
  }

  #immediate(status: number): string {
    const address = this.#address;
    const text = address.kind === 'pipe' ? address.path : printed(address.address, address.port);
    return `immediate connect error: ${errorText(status)}|remote address:${text}`;
  }

  /** The caller is still inside the constructor: it hears of the failure in the next microtask. */
  #failSoon(reason: string, local: boolean): void {
    queueMicrotask(() => {
      const listener = this.#takeListener();
      this.#closeHandle();
      this.#io.enter();
      listener?.onConnectFailed(reason, local);
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

const printed = (ip: string, port: number): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;

/** Source address and options; null, or what is wrong ('' as in Envoy, which does not say which option was refused). */
function prepare(handle: SocketHandle, family: FamilyDialling, v6: boolean): string | null {
  const { source, socketOptions, niceToHave } = family;
  if (socketOptions.length > 0 || niceToHave.length > 0) {
    const fd = openTcpDescriptor(v6);
    if (fd !== undefined) {
      if (fd < 0) return '';
      setOptions(fd, niceToHave, 'PREBIND');
      if (!setOptions(fd, socketOptions, 'PREBIND') || handle.open(fd) !== 0) {
        closeDescriptor(fd);
        return '';
      }
    }
  }
  if (source !== null) {
    const bound = bind(handle, source, v6);
    if (bound !== '') return `${BIND_ERROR}${printed(source.address, source.port)}: ${bound}`;
  }
  return setOptions(handle.fd, socketOptions, 'BOUND') ? null : '';
}

function bind(
  handle: SocketHandle,
  source: { readonly address: string; readonly port: number },
  v6: boolean,
): string {
  const { address, port } = source;
  if (address.includes(':') !== v6) return 'Address family not supported by protocol';
  const status = v6 ? handle.bind6(address, port, 0) : handle.bind(address, port, 0);
  return status === 0 ? '' : errorText(status);
}

const BIND_ERROR = 'failed to bind to ';

/** Of a reason that onConnectFailed() gave. */
export const isBindError = (reason: string): boolean => reason.startsWith(BIND_ERROR);
