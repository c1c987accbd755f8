// [w] The one place that touches libuv's sockets directly, below `net` (docs/adr/0001-raw-sockets.md): saves about
// 1.5 µs of user CPU per proxied request and a quarter of the private memory against net.Socket.
//
// The shapes below are what Node 26 gives; `assertBinding()` is called once per worker and fails with a sentence
// when a Node is run that has them no longer.
import { util } from '../base/node-builtins.ts';

export interface SocketHandle {
  /** Kept here by us: the Connection (or listener) the handle belongs to. */
  owner: unknown;
  readonly fd: number;
  /** Bytes libuv holds back; shrinks with every partial write. */
  readonly writeQueueSize: number;
  onread: (this: SocketHandle) => unknown;
  onconnection: (this: SocketHandle, status: number, client: SocketHandle) => void;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  close(callback?: () => void): void;
  // The rest is TCP's alone: ask isTcp() first.
  /** RST. Fails while a shutdown is under way, and Node then takes the handle for closed though it is not: see Connection. */
  reset(callback?: () => void): number;
  /** Takes a descriptor for its own. */
  open(fd: number): number;
  bind(address: string, port: number, flags: number): number;
  bind6(address: string, port: number, flags: number): number;
  listen(backlog: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, initialDelaySeconds: number): number;
}

export interface SocketName {
  address?: string;
  port?: number;
  family?: string;
}

export interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined;
  /** Kept by us until completion. */
  owner: unknown;
  byteCount: number;
  /** Bytes that libuv still reads: nobody else holds them, and what is collected is sent as garbage. TLSWrap says null at the end. */
  buffer: Buffer | null | undefined;
}

export interface ShutdownRequest {
  oncomplete: ((this: ShutdownRequest, status: number) => void) | undefined;
  owner: unknown;
}

export interface ConnectRequest {
  oncomplete: ((this: ConnectRequest, status: number) => void) | undefined;
  owner: unknown;
}

interface TcpBinding {
  readonly TCP: new (kind: number) => SocketHandle;
  readonly TCPConnectWrap: new () => ConnectRequest;
  readonly constants: {
    readonly SOCKET: number;
    readonly SERVER: number;
    readonly UV_TCP_IPV6ONLY: number;
    readonly UV_TCP_REUSEPORT: number;
  };
}

interface PipeHandle {
  bind(path: string): number;
  connect(request: ConnectRequest, path: string): number;
}

interface PipeBinding {
  readonly Pipe: new (kind: number) => SocketHandle & PipeHandle;
  readonly PipeConnectWrap: new () => ConnectRequest;
  readonly constants: { readonly SOCKET: number; readonly SERVER: number };
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => ShutdownRequest;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
  readonly streamBaseState: Int32Array;
}

/** `process.binding` is deprecated in words only; the Node we ship is pinned and the shapes are asserted. */
function binding(name: string): unknown {
  const load = (process as unknown as { binding?: (name: string) => unknown }).binding;
  if (typeof load !== 'function') {
    throw new Error(
      `this Node (${process.version}) gives no access to ${name}: run Outrigger on Node 26`,
    );
  }
  return load.call(process, name);
}

const tcp = binding('tcp_wrap') as TcpBinding;
const pipe = binding('pipe_wrap') as PipeBinding;
const stream = binding('stream_wrap') as StreamBinding;

export function assertBinding(): void {
  const complete =
    typeof tcp.TCP === 'function' &&
    typeof tcp.constants.UV_TCP_REUSEPORT === 'number' &&
    typeof stream.WriteWrap === 'function' &&
    typeof stream.kLastWriteWasAsync === 'number' &&
    typeof (tcp.TCP.prototype as SocketHandle).useUserBuffer === 'function';
  if (!complete)
    throw new Error(
      `this Node (${process.version}) has other socket internals: run Outrigger on Node 26`,
    );
}

export const REUSE_PORT = tcp.constants.UV_TCP_REUSEPORT;
export const IPV6_ONLY = tcp.constants.UV_TCP_IPV6ONLY;
export const UV_EOF = -4095;

const state = stream.streamBaseState;
const READ_BYTES = stream.kReadBytesOrError;
const WRITE_ASYNC = stream.kLastWriteWasAsync;

/** Inside onread: bytes read (> 0), or a negative errno. */
export const lastRead = (): number => state[READ_BYTES]!;
/** Right after a write call: true when libuv kept (part of) the data. */
export const lastWriteWasAsync = (): boolean => state[WRITE_ASYNC] !== 0;

/** Pipes lack names, keep-alive and RST: a call would throw. */
export const isTcp = (handle: SocketHandle): boolean => handle instanceof tcp.TCP;

export const newTcpSocket = (): SocketHandle => new tcp.TCP(tcp.constants.SOCKET);
export const newTcpServer = (): SocketHandle => new tcp.TCP(tcp.constants.SERVER);
export const newPipeServer = (): SocketHandle => new pipe.Pipe(pipe.constants.SERVER);
export const newPipeSocket = (): SocketHandle => new pipe.Pipe(pipe.constants.SOCKET);
export const newTcpConnectRequest = (): ConnectRequest => new tcp.TCPConnectWrap();
export const newPipeConnectRequest = (): ConnectRequest => new pipe.PipeConnectWrap();
export const newWriteRequest = (): WriteRequest => new stream.WriteWrap();
export const newShutdownRequest = (): ShutdownRequest => new stream.ShutdownWrap();

/** Pipes have the same method name with other arguments. */
export const connectPipe = (handle: SocketHandle, request: ConnectRequest, path: string): number =>
  (handle as unknown as PipeHandle).connect(request, path);

/** Removes the path again when it is closed. */
export const bindPipe = (handle: SocketHandle, path: string): number =>
  (handle as unknown as PipeHandle).bind(path);

/** `ECONNRESET` for -104; '' for 0. */
export const errnoName = (status: number): string =>
  status === 0 ? '' : util.getSystemErrorName(status);
