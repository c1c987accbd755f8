// [m] A command that the kernel ends with its starter, so that a test or bench that is killed leaves nothing running. Its pid is the program's own.
import { accessSync, constants } from 'node:fs';

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return process.platform === 'linux';
  } catch {
    return false;
  }
});

/** As it was where there is no util-linux. */
export function boundCommand(
  command: string,
  args: readonly string[],
): readonly [command: string, args: string[]] {
  if (SETPRIV === undefined) return [command, [...args]];
  return [SETPRIV, ['--pdeathsig', 'KILL', '--', command, ...args]];
}
