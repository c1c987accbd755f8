// [m] The usage text, made from the option table.
import { OPTION_TABLE } from './option-table.ts';
import type { OptionSpec } from './option-table.ts';
import { BUILD_VERSION, PROGRAM_NAME } from './version.ts';

const HELP_COLUMN = 44;

function optionLine(spec: OptionSpec): string {
  const argument = spec.argument === '' ? '' : ` <${spec.argument}>`;
  const left = `  ${[...spec.flags].reverse().join(', ')}${argument}`;
  if (left.length + 2 > HELP_COLUMN) return `${left}\n${' '.repeat(HELP_COLUMN)}${spec.help}`;
  return left.padEnd(HELP_COLUMN) + spec.help;
}

export function usageText(): string {
  const lines = OPTION_TABLE.map(optionLine);
  return [
    `usage: ${PROGRAM_NAME} -c <bootstrap> [options]`,
    '',
    'Values are given as `--flag value` or `--flag=value`.',
    '',
    ...lines,
    '',
  ].join('\n');
}

export function versionText(): string {
  return `\n${PROGRAM_NAME}  version: ${BUILD_VERSION}\n`;
}
