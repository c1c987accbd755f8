// [w] What libuv's handles call: each call is one event of the owner's thread, at whose end its bytes go out.
import type { IoThread } from './io-thread.ts';
import { lastRead } from './socket-binding.ts';
import type { ShutdownRequest, SocketHandle, WriteRequest } from './socket-binding.ts';

/** `owner` of a handle, and of a write that libuv keeps. */
export interface HandleOwner {
  readonly io: IoThread;
  /** `bytes` > 0 in the read buffer, or a negative errno. */
  onRead(bytes: number): void;
  /** libuv has sent what it kept. */
  onWritten(byteCount: number, status: number): void;
}

/** Reading begins with readStart(). */
export function takeHandle(handle: SocketHandle, owner: HandleOwner): void {
  handle.owner = owner;
  handle.onread = onHandleRead;
  handle.useUserBuffer(owner.io.readBuffer);
}

function onHandleRead(this: SocketHandle): undefined {
  const owner = this.owner as HandleOwner;
  const io = owner.io;
  const bytes = lastRead();
  io.enter();
  owner.onRead(bytes);
  io.leave();
}

export function ignoreRead(): undefined {}

export function onWriteComplete(this: WriteRequest, status: number): void {
  const owner = this.owner as HandleOwner;
  const { io } = owner;
  const { buffer } = this;
  if (buffer !== undefined && buffer !== null) io.returnScratch(buffer);
  this.buffer = undefined;
  io.enter();
  owner.onWritten(this.byteCount, status);
  io.leave();
}

export function onShutdownComplete(this: ShutdownRequest, _status: number): void {}
