// The program: parse, plan, then print, apply or explain. Runs once as root before the pod's containers and exits. [m]
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { applyRules, familiesInUse, removalText, removeRules } from './apply.ts';
import { explain } from './explain.ts';
import { usage } from './flags.ts';
import { runInNamespace } from './namespace.ts';
import { nftText } from './nft-text.ts';
import { parseOptions } from './options.ts';
import type { Family, IptablesOptions, Machine } from './options.ts';
import { isProbe, runProbe } from './probe.ts';
import { routeCommands } from './routes.ts';
import { planRules } from './rule-plan.ts';
import { commandText, planLines, restoreText } from './rules-text.ts';
import { ApplyError } from './run-command.ts';
import { validationExitCode, validateRules } from './validation.ts';

/** Of the operator's mistakes: words that cannot be meant, and a machine that does not do it. */
const exitCode = { done: 0, failed: 1, badWords: 2 } as const;

const machine: Machine = {
  uidOfUser,
  resolvConf: () => readFileSync('/etc/resolv.conf', 'utf8'),
};

// A reader that leaves early (`| head`) must not turn a finished run into a failed one.
process.stdout.on('error', () => {});
void main(process.argv.slice(2)).then((code) => (process.exitCode = code));

async function main(argv: readonly string[]): Promise<number> {
  if (isProbe(argv)) return runProbe(argv);
  if (argv[0] === 'explain') {
    const { status, text } = explain(argv.slice(1), process.env, machine);
    (status === 0 ? process.stdout : process.stderr).write(text);
    return status;
  }
  const parsed = parseOptions(argv, process.env, machine);
  if (parsed.kind === 'help') {
    process.stdout.write(usage());
    return exitCode.done;
  }
  if (parsed.kind === 'problems') {
    // The usage is long, so what is wrong comes last, where a reader's eye is.
    process.stderr.write(`${usage()}\n`);
    for (const problem of parsed.problems) complain(problem);
    return exitCode.badWords;
  }
  try {
    return runInNamespace(parsed.options, argv) ?? (await carryOut(parsed.options));
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    complain(error.message);
    return exitCode.failed;
  }
}

async function carryOut(options: IptablesOptions): Promise<number> {
  const families = familiesInUse(options);
  say(...options.notes);
  if (options.dualStack && families.length === 1)
    say('there is no IPv6 here, so --dual-stack adds no rules');
  const isForReal = !options.dryRun && options.action !== 'nothing';
  if (options.action === 'cleanup') {
    if (isForReal) say(...removeRules(options));
    else process.stdout.write(removalText(options));
    return exitCode.done;
  }
  process.stdout.write(planText(options, families));
  if (isForReal) say(...applyRules(options, families));
  if (!options.runValidation || options.dryRun) return exitCode.done;
  const { passed, lines } = await validateRules(options, families);
  say(...lines.filter(([isGood]) => isGood).map(([, line]) => line));
  for (const [isGood, line] of lines) if (!isGood) complain(line);
  return passed ? exitCode.done : validationExitCode;
}

/** Printed before anything is changed, so that a pod's log shows what was tried. `#` lines are comments to iptables-restore. */
function planText(options: IptablesOptions, families: readonly Family[]): string {
  const routes = families
    .flatMap((family) => routeCommands(options, family))
    .map((command) => `# ${command}\n`);
  if (options.nativeNftables) {
    return `${routes.join('')}${nftText(new Map(families.map((family) => [family, planRules(options, family)])))}`;
  }
  const texts = families.map((family) => {
    const lines = planLines(planRules(options, family));
    return `# ${family}\n${options.restoreFormat ? restoreText(lines) : commandText(lines, family)}`;
  });
  return routes.join('') + texts.join('');
}

function say(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`# ${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`outrigger-iptables: ${line}\n`);
}

function uidOfUser(user: string): string | undefined {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines.find((line) => line.startsWith(`${user}:`))?.split(':')[2];
  } catch {
    return undefined; // An image without a user table: the default uid holds.
  }
}
