// [m] The proxy's command line as stock writes it (istio-contract §6.3), and how the process that runs it is bound to this one.
import { fs } from '../../proxy/base/node-builtins.ts';
import type { AgentOptions } from '../options.ts';

export interface ProxyCommand {
  readonly path: string;
  readonly arguments: readonly string[];
  readonly bond: Bond;
}

/**
 * How the proxy hears that its agent was killed. Our own holds one end of a pipe; for any other program the kernel is told, by the entry
 * file `boundExec`, which then becomes that program.
 */
export type Bond =
  | { readonly kind: 'leash' }
  | { readonly kind: 'kernel'; readonly boundExec: string };

export function proxyCommand(options: AgentOptions): ProxyCommand {
  const { proxy, proxyConfig, identity, paths } = options;
  const words = ['-c', paths.bootstrapFile.replace(/^\.\//, '')];
  words.push('--drain-time-s', String(Math.round(proxyConfig.drainDurationMs / 1000)));
  words.push('--drain-strategy', 'immediate');
  words.push(
    '--local-address-ip-version',
    identity.instanceIps[0]?.includes(':') === true ? 'v6' : 'v4',
  );
  words.push(
    '--file-flush-interval-msec',
    '1000',
    '--disable-hot-restart',
    '--allow-unknown-static-fields',
  );
  words.push('-l', proxy.logLevel);
  if (proxy.componentLogLevel !== '') words.push('--component-log-level', proxy.componentLogLevel);
  if (proxy.skipDeprecatedLogs) words.push('--skip-deprecated-logs');
  if (proxy.bootstrapOverrideYaml !== undefined)
    words.push('--config-yaml', proxy.bootstrapOverrideYaml);
  if (proxy.concurrency !== undefined) words.push('--concurrency', String(proxy.concurrency));
  const bond = bondOf(options);
  if (bond.kind === 'leash' && proxy.early !== undefined) {
    const { addresses, holdMs } = proxy.early;
    words.push('--early-listeners', addresses.join(','), '--early-hold-msec', String(holdMs));
  }
  if (bond.kind === 'leash') words.push(...proxy.allowances);
  return { path: proxy.binaryPath, arguments: words, bond };
}

function bondOf({ proxy, programs }: AgentOptions): Bond {
  return realPath(proxy.binaryPath) === realPath(programs.ownProxy)
    ? { kind: 'leash' }
    : { kind: 'kernel', boundExec: programs.boundExec };
}

/** Stock's name for the proxy is a link to ours in the image. */
function realPath(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}
