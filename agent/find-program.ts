// [m] Finds programs the way a shell does, and says why one cannot be run.
import { join } from 'node:path';

import { fs } from '../proxy/base/node-builtins.ts';

/** A name without a slash is looked for in the folders of PATH; not found, it stays as it is. */
export function findProgram(name: string, searchPath: string): string {
  if (name.includes('/')) return name;
  for (const folder of searchPath.split(':')) {
    const path = join(folder, name);
    if (folder !== '' && whyNotExecutable(path) === undefined) return path;
  }
  return name;
}

export function whyNotExecutable(path: string): NodeJS.ErrnoException | undefined {
  try {
    fs.accessSync(path, fs.constants.X_OK);
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}
