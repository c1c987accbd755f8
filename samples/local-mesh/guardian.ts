// Cleans up after a mesh whose own process was killed outright: a shell that waits for the end of its input.
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

import { RUN_VARIABLE } from './processes.ts';

/** $1 the run's id, $2 its folder. `done` on standard input says that there is nothing left to do. */
const SCRIPT = `
if read -r word && [ "$word" = done ]; then exit 0; fi
of_run() { grep -ls "${RUN_VARIABLE}=$1" /proc/[0-9]*/environ | cut -d/ -f3; }
for signal in TERM KILL KILL; do
  for pid in $(of_run "$1"); do kill -s "$signal" "$pid" 2>/dev/null; done
  sleep 1
done
rm -rf "$2"
`;

export interface Guardian {
  /** All is cleaned up already. */
  readonly dismiss: () => void;
}

export function startGuardian(runId: string, runDir: string): Guardian {
  const shell = spawn('sh', ['-c', SCRIPT, 'outrigger-guardian', runId, runDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Outlives a signal to the terminal's group.
    detached: true,
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  // Node must not stay alive for the pipe, nor close it before it ends itself.
  if (shell.stdin instanceof Socket) shell.stdin.unref();
  return { dismiss: () => shell.stdin.end('done\n') };
}
