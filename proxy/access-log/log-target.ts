// [w] Opens what access logs are written to: files with O_APPEND, and the process's stdout and stderr.
import { fs } from '../base/node-builtins.ts';

export interface LogTarget {
  /** 'pipe': never blocks, and keeps writes of up to 4096 bytes in one piece. */
  readonly kind: 'file' | 'pipe';
  readonly fd: number;
  /** False: the process's own descriptor, which must stay open. */
  readonly owned: boolean;
}

const STANDARD = new Map<string, number>([
  ['/dev/stdout', 1],
  ['/dev/fd/1', 1],
  ['/proc/self/fd/1', 1],
  ['/dev/stderr', 2],
  ['/dev/fd/2', 2],
  ['/proc/self/fd/2', 2],
]);

/** Throws the system's error. */
export function openLogTarget(path: string): LogTarget {
  const standard = STANDARD.get(path);
  if (standard !== undefined) return openStandard(standard);
  // Without O_NONBLOCK a FIFO that nobody reads would hang the worker here.
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o644);
  return { kind: fs.fstatSync(fd).isFIFO() ? 'pipe' : 'file', fd, owned: true };
}

/**
 * A pipe is opened a second time, not to block when its reader stalls: O_NONBLOCK on descriptor 1 itself would be felt
 * by everyone who shares it. Others are used as they are: a file's offset is shared with the process's own output.
 */
function openStandard(fd: number): LogTarget {
  if (fs.fstatSync(fd).isFIFO()) {
    try {
      const own = fs.openSync(
        `/proc/self/fd/${fd}`,
        fs.constants.O_WRONLY | fs.constants.O_NONBLOCK,
      );
      return { kind: 'pipe', fd: own, owned: true };
    } catch {
      // A pipe that another user made may not be opened again (common in containers).
    }
  }
  return { kind: 'file', fd, owned: false };
}
