// [w] The C library's calls on sockets that Node has no names for, through koffi. The one place that loads it.
import { createRequire } from '../base/node-builtins.ts';

/** Buffers stay the caller's. Each answers 0 or a descriptor, or -1. */
export interface Libc {
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Uint32Array,
  ): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  socket(family: number, type: number, protocol: number): number;
  close(fd: number): number;
  /** Another descriptor of the same socket. */
  dup(fd: number): number;
  /** Of the last of these calls. */
  errno(): number;
}

/** Undefined: not asked for yet. Null: cannot be had. */
let loaded: Libc | null | undefined;
let reason = '';

/**
 * Null on other systems than Linux and without koffi: see whyNoLibc(). Loaded by the first call (8 ms, once per thread), so a
 * process that needs none of it never pays. A call takes about 1 µs.
 */
export function libc(): Libc | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

/** '' where libc() is there, or was never asked for. */
export const whyNoLibc = (): string => reason;

function load(): Libc | null {
  if (process.platform !== 'linux') {
    reason = `socket options exist on Linux only, this is ${process.platform}`;
    return null;
  }
  try {
    // Synchronous on purpose: callers stand in the accept or the dial of a connection.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null);
    return {
      getsockopt: library.func(
        'int getsockopt(int fd, int level, int name, void *value, void *length)',
      ) as Libc['getsockopt'],
      setsockopt: library.func(
        'int setsockopt(int fd, int level, int name, void *value, uint32_t length)',
      ) as Libc['setsockopt'],
      socket: library.func('int socket(int family, int type, int protocol)') as Libc['socket'],
      dup: library.func('int dup(int fd)') as Libc['dup'],
      close: library.func('int close(int fd)') as Libc['close'],
      errno: () => koffi.errno(),
    };
  } catch (error) {
    reason = `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
    return null;
  }
}
