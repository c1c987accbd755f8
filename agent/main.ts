// [m] Entry of pilot-agent: picks the subcommand, leaves with its exit code. Each subcommand loads only what it needs.
import { join } from 'node:path';

import { loadPartsFrom } from '../proxy/base/lazy-part.ts';
import { fs } from '../proxy/base/node-builtins.ts';
import { endReadably } from '../proxy/base/readable-stack.ts';
import {
  commandUsage,
  COMPLETION_COMMAND,
  parseCommandLine,
  PROXY_COMMAND,
  REQUEST_COMMAND,
  VERSION_COMMAND,
  WAIT_COMMAND,
} from './command-line.ts';
import type { CommandLine, CommandSpec } from './command-line.ts';
import { DEFAULT_ISTIO_VERSION } from './node-metadata.ts';
import { readAddresses } from './options.ts';
import { readSurroundings, UnreadableFile } from './surroundings.ts';

const USAGE = `usage: pilot-agent <command> [flags]
  proxy sidecar|router     write the bootstrap, start and watch the proxy, relay its configuration
  istio-iptables           redirect the pod's traffic to the proxy (see istio-iptables --help)
  istio-clean-iptables     take that back (as istio-iptables --cleanup-only)
  request <method> <path>  HTTP request to the proxy's admin or another local port
  wait                     wait until the proxy is ready
  version                  print the version
  completion               print a script by which a shell completes all this
`;

// Told from here because only an entry file is where it was written once the tree is bundled (build/emit.ts).
loadPartsFrom(new URL('../proxy/', import.meta.url), import.meta.url.slice(-3));

const outputs = { out: process.stdout, err: process.stderr };

/** Runs `run` with the flags; asked for help or given wrong ones, tells the usage. */
async function withFlags(
  spec: CommandSpec,
  words: readonly string[],
  run: (line: CommandLine) => Promise<number>,
): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    outputs.out.write(commandUsage(spec));
    return 0;
  }
  const result = parseCommandLine(spec, words);
  if (result.ok) return run(result.line);
  outputs.err.write(`pilot-agent: ${result.message}\n${commandUsage(spec)}`);
  return 1;
}

const numberFlag = (line: CommandLine, name: string, fallback: number): number =>
  Number(line.flags.get(name) ?? fallback);

async function request(line: CommandLine): Promise<number> {
  const [method, path, body] = line.arguments;
  if (method === undefined || path === undefined) {
    outputs.err.write(
      `pilot-agent: request needs a method and a path\n${commandUsage(REQUEST_COMMAND)}`,
    );
    return 1;
  }
  const { runRequest } = await import('./commands/request.ts');
  const debugPort = line.flags.has('debug-port') ? numberFlag(line, 'debug-port', 0) : undefined;
  return runRequest(
    { method, path, body: body ?? '', debugPort },
    await readAddresses(readSurroundings()),
    outputs,
  );
}

async function wait(line: CommandLine): Promise<number> {
  const { runWait } = await import('./commands/wait.ts');
  const { local, readyPort } = await readAddresses(readSurroundings());
  const host = local.includes(':') ? `[${local}]` : local;
  const command = {
    url: line.flags.get('url') ?? `http://${host}:${readyPort}/healthz/ready`,
    timeoutMs: numberFlag(line, 'timeoutSeconds', 60) * 1000,
    requestTimeoutMs: numberFlag(line, 'requestTimeoutMillis', 500),
    periodMs: numberFlag(line, 'periodMillis', 500),
  };
  return runWait(command, outputs);
}

async function version(line: CommandLine): Promise<number> {
  const text = fs.readFileSync(join(readSurroundings().installDir, 'package.json'), 'utf8');
  const { version: own } = JSON.parse(text) as { readonly version: string };
  const { runVersion } = await import('./commands/version.ts');
  const choice = {
    short: line.flags.get('short') === 'true',
    format: line.flags.get('output') ?? '',
  };
  return runVersion({ istio: DEFAULT_ISTIO_VERSION, own }, choice, outputs);
}

async function completion(line: CommandLine): Promise<number> {
  const { runCompletion } = await import('./commands/completion.ts');
  const specs = [PROXY_COMMAND, REQUEST_COMMAND, WAIT_COMMAND, VERSION_COMMAND, COMPLETION_COMMAND];
  const bare = ['istio-iptables', 'istio-clean-iptables', 'help'];
  return runCompletion(line.arguments[0], specs, bare, outputs);
}

async function run(words: readonly string[]): Promise<number> {
  const [command, ...rest] = words;
  switch (command) {
    case 'proxy':
      return withFlags(PROXY_COMMAND, rest, async (line) => {
        const { runProxy } = await import('./commands/proxy.ts');
        return runProxy(line, readSurroundings(), outputs);
      });
    case 'istio-iptables':
    case 'istio-clean-iptables': {
      const { runIptables } = await import('./commands/iptables.ts');
      const words = command === 'istio-iptables' ? rest : ['--cleanup-only', ...rest];
      return runIptables(readSurroundings().installDir, words, outputs.err);
    }
    case 'request':
      return withFlags(REQUEST_COMMAND, rest, request);
    case 'wait':
      return withFlags(WAIT_COMMAND, rest, wait);
    case 'version':
    case '--version':
      return withFlags(VERSION_COMMAND, rest, version);
    case 'completion':
      return withFlags(COMPLETION_COMMAND, rest, completion);
    case '--help':
    case '-h':
    case 'help':
      outputs.out.write(USAGE);
      return 0;
    default:
      outputs.err.write(
        command === undefined ? USAGE : `pilot-agent: unknown command "${command}"\n${USAGE}`,
      );
      return 1;
  }
}

// A closed pipe (`| head`) or a log reader that went away is no reason to end a sidecar.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
endReadably();
void end();

async function end(): Promise<void> {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    outputs.err.write(`pilot-agent: ${error.message}\n`);
    process.exitCode = 1;
  }
  // Without this an open handle of a library could keep a finished agent; output to pipes and files is written synchronously.
  process.exit();
}
