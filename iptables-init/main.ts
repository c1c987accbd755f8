// The program: parse, plan, then print or apply. Runs once as root before the pod's containers and exits. [m]
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { ApplyError, applyRules, familiesInUse, removeRules } from './apply.ts';
import { usage } from './flags.ts';
import { parseOptions } from './options.ts';
import type { Family, IptablesOptions } from './options.ts';
import { planRules } from './rule-plan.ts';
import { commandText, planLines, restoreText } from './rules-text.ts';

// A reader that leaves early (`| head`) must not turn a finished run into a failed one.
process.stdout.on('error', () => {});
process.exitCode = main(process.argv.slice(2));

function main(argv: readonly string[]): number {
  const parsed = parseOptions(argv, process.env, uidOfUser);
  if (parsed.kind === 'help') {
    process.stdout.write(usage());
    return 0;
  }
  if (parsed.kind === 'problems') {
    // The usage is long, so what is wrong comes last, where a reader's eye is.
    process.stderr.write(`${usage()}\n`);
    for (const problem of parsed.problems) process.stderr.write(`outrigger-iptables: ${problem}\n`);
    return 1;
  }
  try {
    carryOut(parsed.options);
    return 0;
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    process.stderr.write(`outrigger-iptables: ${error.message}\n`);
    return 1;
  }
}

function carryOut(options: IptablesOptions): void {
  for (const family of familiesInUse(options)) {
    const rules = planRules(options, family);
    if (options.action !== 'cleanup') process.stdout.write(planText(options, family));
    if (options.dryRun || options.action === 'nothing') continue;
    const done =
      options.action === 'cleanup'
        ? removeRules(options, family, rules)
        : applyRules(options, family, rules);
    process.stdout.write(`# ${done}\n`);
  }
}

/** Printed before anything is changed, so that a pod's log shows what was tried. `#` lines are comments to iptables-restore. */
function planText(options: IptablesOptions, family: Family): string {
  const lines = planLines(planRules(options, family));
  return `# ${family}\n${options.restoreFormat ? restoreText(lines) : commandText(lines, family)}`;
}

function uidOfUser(user: string): string | undefined {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines.find((line) => line.startsWith(`${user}:`))?.split(':')[2];
  } catch {
    return undefined; // An image without a user table: the default uid holds.
  }
}
