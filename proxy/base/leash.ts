// [m] The leash: a descriptor whose other end is held by the process that started this one. When that process is gone, however it ended, the
// kernel closes its end, and we hear of it; also when it was gone before we asked.
import type * as nodeNet from 'node:net';

/** Calls `onGone` once. Does not keep the process alive. False: there is no such descriptor. */
export function holdLeash(fd: number, onGone: () => void): boolean {
  const { Socket } = process.getBuiltinModule('node:net') as typeof nodeNet;
  try {
    const end = new Socket({ fd, readable: true, writable: false });
    end.on('error', () => {});
    end.once('close', onGone);
    // Nothing is ever said on it; what comes is passed over.
    end.resume();
    end.unref();
    return true;
  } catch {
    return false;
  }
}
