// Runs this program once more inside the namespace named, so that everything it does and looks at is in there. [m] nsenter(1), unshare(1).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import type { IptablesOptions } from './options.ts';
import { ApplyError, run } from './run-command.ts';

/** Tells the inner run that it is inside. */
const marker = 'OUTRIGGER_INSIDE_NAMESPACE';

/**
 * iptables looks up the owner match's user even where it is a number, and on a node that may ask a directory over the
 * network, by the half-made pod's network. With no name service configured, only the node's files are read.
 */
const withoutNameService = 'mount --bind /dev/null /etc/nsswitch.conf 2> /dev/null; exec "$@"';

/** The exit code of the inner run; undefined where there is no other namespace to go to, or we are inside. */
export function runInNamespace(
  options: IptablesOptions,
  argv: readonly string[],
): number | undefined {
  const { networkNamespace: file, cniMode } = options;
  if (process.env[marker] !== undefined || (file === undefined && !cniMode)) return undefined;
  if (file !== undefined && !existsSync(file)) {
    throw new ApplyError(
      `--network-namespace: there is no ${file}; name the file of a namespace, such as /run/netns/NAME or /proc/PID/ns/net`,
    );
  }
  const enter = file === undefined ? [] : ['nsenter', `--net=${file}`, '--'];
  const self = [process.execPath, ...process.execArgv, process.argv[1]!, ...argv];
  const command = [...(cniMode ? mountNamespace() : []), ...enter, ...self];
  const { status, error } = spawnSync(command[0]!, command.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, [marker]: '1' },
  });
  if (error !== undefined)
    throw new ApplyError(`${command[0]}: ${error.message}; install util-linux`);
  return status ?? 1;
}

/** Best effort: some nodes refuse it, and then names are looked up as they are. */
function mountNamespace(): readonly string[] {
  const unshare = ['--mount', '--propagation', 'private', '--'];
  if (run('unshare', [...unshare, 'true']).status !== 0) return [];
  return ['unshare', ...unshare, 'sh', '-c', withoutNameService, 'sh'];
}
