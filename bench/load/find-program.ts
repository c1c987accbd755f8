// Finds the programs that a run compares or uses: PATH, the usual system folders, and for Envoy virtual environments near the tree.
import { accessSync, constants, globSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Servers live there; a person's PATH often leaves them out. */
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const dirs = [...(env['PATH'] ?? '').split(':'), ...SYSTEM_DIRS].filter((dir) => dir !== '');
  return dirs.map((dir) => join(dir, name)).find(isExecutable);
}

function foldersOf(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => join(dir, name));
  } catch {
    return [];
  }
}

function nearbyVirtualEnvironments(root: string): string[] {
  const found: string[] = [];
  for (let dir = root; ; dir = dirname(dir)) {
    found.push(
      ...foldersOf(dir).filter((folder) => foldersOf(folder).includes(join(folder, 'pyvenv.cfg'))),
    );
    if (dir === dirname(dir)) return found;
  }
}

/** The PyPI package's launcher is a Python script; its own start must not count as Envoy's. */
function behindLauncher(path: string): string {
  const packaged = globSync(
    join(dirname(dirname(path)), 'lib/python*/site-packages/envoy/_bin/envoy'),
  );
  return packaged.find(isExecutable) ?? path;
}

/** `given` (a flag) wins over ENVOY_BIN, $VIRTUAL_ENV, virtual environments in `root` and the folders above it, PATH. */
export function findEnvoy(
  given: string | undefined,
  root: string,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const named = given ?? env['ENVOY_BIN'];
  if (named !== undefined && named !== '') {
    if (isExecutable(named)) return behindLauncher(named);
    throw new Error(
      `${given === undefined ? 'ENVOY_BIN' : '--envoy'}: ${named} cannot be executed`,
    );
  }
  const environments = [env['VIRTUAL_ENV'], ...nearbyVirtualEnvironments(root)];
  const candidates = environments
    .filter((dir) => dir !== undefined && dir !== '')
    .map((dir) => join(dir!, 'bin/envoy'));
  const found = candidates.find(isExecutable) ?? findProgram('envoy', env);
  return found === undefined ? undefined : behindLauncher(found);
}
