// [m] Starts the proxy so that it cannot outlive this process, however that ends.
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Socket } from 'node:net';

import { whyNotExecutable } from '../find-program.ts';
import type { ProxyCommand } from './proxy-command.ts';

const { spawn } = process.getBuiltinModule('node:child_process');

const LEASH_FD = 3;

// Its own process group: a Ctrl-C at the terminal reaches the agent alone, which then drains first.
const OPTIONS = { detached: true } as const satisfies SpawnOptions;
const OUTPUTS = ['ignore', 'inherit', 'inherit'] as const;
/** The log of our own passes through us, so that its last lines are known. Another program may open /dev/stderr, which of these is no file. */
const OWN_OUTPUTS = ['ignore', 'inherit', 'pipe'] as const;

export type Spawned =
  | { readonly ok: true; readonly child: ChildProcess }
  | { readonly ok: false; readonly error: NodeJS.ErrnoException };

export function spawnBound({ path, arguments: words, bond }: ProxyCommand): Spawned {
  if (bond.kind === 'leash') {
    const stdio = [...OWN_OUTPUTS, 'pipe' as const];
    const child = spawn(path, [...words, '--leash-fd', String(LEASH_FD)], { ...OPTIONS, stdio });
    // A pipe; none where nothing was started.
    const leash = child.stdio[LEASH_FD] as Socket | null | undefined;
    leash?.on('error', () => {});
    leash?.unref();
    return { ok: true, child };
  }
  const error = whyNotExecutable(path);
  if (error !== undefined) return { ok: false, error };
  const starter = ['--disable-warning=ExperimentalWarning', bond.boundExec, String(process.pid)];
  const all = [...starter, path, ...words];
  return { ok: true, child: spawn(process.execPath, all, { ...OPTIONS, stdio: [...OUTPUTS] }) };
}
