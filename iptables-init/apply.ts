// Runs iptables: looks at what is there, puts the plan in place, takes it away. The only side effect of this program. [m]
import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import type { Family, IptablesOptions } from './options.ts';
import { passthroughSource } from './rule-plan.ts';
import type { Rule } from './rule-plan.ts';
import { cleanupLines, planLines, restoreText } from './rules-text.ts';
import { hasRules, isOwned, parseSavedRules, sameShape } from './saved-rules.ts';
import type { SavedTable } from './saved-rules.ts';

/** `variant` is the middle of the binary's name: '' is plain `iptables`, else `-nft` or `-legacy`. */
interface Binary {
  readonly family: Family;
  readonly variant: '' | '-legacy' | '-nft';
}

/** An operator's fault; the message says what to do. */
export class ApplyError extends Error {}

/** IPv4 always; IPv6 where the pod has an address of that family that others can reach, or on demand. */
export function familiesInUse(options: IptablesOptions): readonly Family[] {
  return options.dualStack || hasGlobalIPv6() ? ['IPv4', 'IPv6'] : ['IPv4'];
}

/** Puts the rules in place; a second run changes nothing. Returns what was done, for people. */
export function applyRules(
  options: IptablesOptions,
  family: Family,
  rules: readonly Rule[],
): string {
  const binary = chooseBinary(options, family);
  const saved = parseSavedRules(save(binary));
  if (saved.size === 0) {
    addPassthroughAddress(family);
    applyFirst(binary, rules);
    return `${family}: rules are in place`;
  }
  if (options.replace !== 'always' && isInPlace(binary, saved, rules)) {
    addPassthroughAddress(family);
    return `${family}: rules were in place already, nothing changed`;
  }
  if (options.replace === 'never') {
    throw new ApplyError(
      `${family}: other ISTIO_* rules are in place; use --reconcile or --force-apply to replace them, or --cleanup-only first`,
    );
  }
  addPassthroughAddress(family);
  // Old rules go and new ones come in one transaction per table, so no packet meets a half-empty table.
  restore(binary, restoreText(cleanupLines(saved, presentExtras(binary, rules)), planLines(rules)));
  return `${family}: rules were replaced`;
}

/** Takes away what is ours and nothing else. Rules that have no ISTIO_* chain in them are found by the options given. */
export function removeRules(
  options: IptablesOptions,
  family: Family,
  rules: readonly Rule[],
): string {
  const binary = chooseBinary(options, family);
  const saved = parseSavedRules(save(binary));
  const lines = cleanupLines(saved, presentExtras(binary, rules));
  if (lines.size > 0) restore(binary, restoreText(lines));
  if (family === 'IPv6') removePassthroughAddress();
  return lines.size > 0 ? `${family}: rules are removed` : `${family}: there were no rules`;
}

/** The one that already has rules wins, then nft, then whatever `iptables` is: two kinds in one pod fight each other. */
function chooseBinary(options: IptablesOptions, family: Family): Binary {
  const forced = options.iptablesBinary;
  if (forced !== undefined) return { family, variant: `-${forced}` };
  const nft: Binary = { family, variant: '-nft' };
  const legacy: Binary = { family, variant: '-legacy' };
  const nftRules = trySave(nft);
  if (nftRules !== undefined && hasRules(nftRules)) return nft;
  if (hasRules(trySave(legacy) ?? '')) return legacy;
  return nftRules === undefined ? { family, variant: '' } : nft;
}

/** Each table commits by itself: where a later one fails, the earlier ones are taken back, so that a retry starts clean. */
function applyFirst(binary: Binary, rules: readonly Rule[]): void {
  try {
    restore(binary, restoreText(planLines(rules)));
  } catch (error) {
    const partial = cleanupLines(parseSavedRules(trySave(binary) ?? ''), []);
    if (partial.size > 0) restore(binary, restoreText(partial));
    throw error;
  }
}

function isInPlace(
  binary: Binary,
  saved: ReadonlyMap<string, SavedTable>,
  rules: readonly Rule[],
): boolean {
  return sameShape(saved, rules) && rules.every((rule) => exists(binary, rule));
}

function presentExtras(binary: Binary, rules: readonly Rule[]): readonly Rule[] {
  return rules.filter((rule) => !isOwned(rule) && exists(binary, rule));
}

function exists(binary: Binary, rule: Rule): boolean {
  const command = `${commandName(binary.family)}${binary.variant}`;
  return run(command, ['-t', rule.table, '-C', rule.chain, ...rule.words]).status === 0;
}

function restore(binary: Binary, text: string): void {
  const command = `${commandName(binary.family)}${binary.variant}-restore`;
  mustRun(command, ['--noflush'], text);
}

function save(binary: Binary): string {
  return mustRun(`${commandName(binary.family)}${binary.variant}-save`, []);
}

function trySave(binary: Binary): string | undefined {
  const result = run(`${commandName(binary.family)}${binary.variant}-save`, []);
  return result.status === 0 ? result.stdout : undefined;
}

function commandName(family: Family): string {
  return family === 'IPv4' ? 'iptables' : 'ip6tables';
}

/** Inbound clusters bind ::6, which unlike 127.0.0.6 is no address of `lo` by itself. */
function addPassthroughAddress(family: Family): void {
  if (family === 'IPv4' || hasPassthroughAddress()) return;
  mustRun('ip', ['-6', 'addr', 'add', passthroughSource.IPv6, 'dev', 'lo']);
}

function removePassthroughAddress(): void {
  if (hasPassthroughAddress())
    mustRun('ip', ['-6', 'addr', 'del', passthroughSource.IPv6, 'dev', 'lo']);
}

function hasPassthroughAddress(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::6'));
}

function hasGlobalIPv6(): boolean {
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((a) => a.family === 'IPv6' && !a.internal && !/^fe[89ab]/i.test(a.address)),
  );
}

function mustRun(command: string, args: readonly string[], input = ''): string {
  const result = run(command, args, input);
  if (result.status === 0) return result.stdout;
  const hint = result.stderr.includes('ermission denied') || result.stderr.includes('must be root');
  throw new ApplyError(
    `${command} ${args.join(' ')}: ${result.stderr.trim() || `exit ${result.status}`}` +
      (hint ? ' (run as root, or with the capabilities NET_ADMIN and NET_RAW)' : ''),
  );
}

function run(
  command: string,
  args: readonly string[],
  input = '',
): { readonly status: number | undefined; readonly stdout: string; readonly stderr: string } {
  const result = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (result.error !== undefined) {
    const missing = 'code' in result.error && result.error.code === 'ENOENT';
    const stderr = missing ? 'not found; install iptables and iproute2' : result.error.message;
    return { status: undefined, stdout: '', stderr };
  }
  return { status: result.status ?? undefined, stdout: result.stdout, stderr: result.stderr };
}
