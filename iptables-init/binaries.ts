// Which iptables this pod uses, nft or legacy, and the calls to it. Two kinds in one pod fight each other. [m] Istio contract: istio-iptables.
import type { Family, IptablesOptions } from './options.ts';
import { ApplyError, explainFailure, isRefusal, mustRun, run } from './run-command.ts';
import { hasOwnRules, hasRules, parseSavedRules } from './saved-rules.ts';
import type { SavedRules } from './saved-rules.ts';

const lockWaitSeconds = 30;

type Variant = '' | '-legacy' | '-nft';

export interface PresentBinary {
  readonly binary: Binary;
  readonly saved: SavedRules;
}

export interface Binary {
  readonly family: Family;
  /** `iptables-nft`, `ip6tables-legacy`, or without a suffix. */
  readonly name: string;
  readonly isLegacy: boolean;
  /** Only legacy has a lock; another program may hold it for a while. */
  readonly lockArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The kind asked for; else the one that has rules of ours; else legacy if it has any rules; else nft where the kernel does
 * it, or legacy where it does that; else whatever `iptables` is.
 */
export function chooseBinary(options: IptablesOptions, family: Family): Binary {
  if (options.iptablesBinary !== undefined)
    return binaryOf(options, family, `-${options.iptablesBinary}`);
  const present = presentBinaries(options, family);
  const own = present.find(({ saved }) => hasOwnRules(saved));
  const legacyInUse = present.find(({ binary, saved }) => binary.isLegacy && hasRules(saved));
  const found = own ?? legacyInUse;
  if (found !== undefined) return found.binary;
  const nftFirst = present
    .map(({ binary }) => binary)
    .sort((a, b) => Number(a.isLegacy) - Number(b.isLegacy));
  return nftFirst.find(isUsable) ?? binaryOf(options, family, '');
}

/**
 * The kinds that are installed and that the kernel has, with their rules. Throws where nft is refused, and where none answers:
 * what cannot be seen must not pass for nothing. Legacy is refused in every user namespace, and there nft is the one in use.
 */
export function presentBinaries(
  options: IptablesOptions,
  family: Family,
): readonly PresentBinary[] {
  const forced = options.iptablesBinary;
  const suffixed =
    forced === undefined ? (['-nft', '-legacy'] as const) : ([`-${forced}`] as const);
  const failures: string[] = [];
  const ask = (variant: Variant): readonly PresentBinary[] => {
    const command = `${commandName(family)}${variant}-save`;
    const ran = run(command, []);
    if (ran.status === 0) {
      return [{ binary: binaryOf(options, family, variant), saved: parseSavedRules(ran.stdout) }];
    }
    if (ran.status !== undefined) failures.push(explainFailure(command, ran, ''));
    return [];
  };
  const present = suffixed.flatMap(ask);
  if (present.length === 0 && failures.length === 0 && forced === undefined)
    present.push(...ask(''));
  const refused = failures.find((said) => isRefusal(said) && !said.includes('-legacy-save'));
  const failure = refused ?? (present.length === 0 ? failures[0] : undefined);
  if (failure !== undefined) throw new ApplyError(failure);
  return present;
}

export function save(binary: Binary): SavedRules {
  return parseSavedRules(mustRun(`${binary.name}-save`, []));
}

/** Puts the text in place: each table as a whole or not at all. `flush` takes away what the tables named had before. */
export function restore(binary: Binary, text: string, mode: 'add' | 'flush' | 'test'): void {
  const flags = [
    ...(mode === 'flush' ? [] : ['--noflush']),
    ...(mode === 'test' ? ['--test'] : []),
  ];
  mustRun(`${binary.name}-restore`, [...flags, ...binary.lockArguments], {
    input: text,
    env: binary.environment,
  });
}

/** Asks iptables itself. */
export function hasRule(
  binary: Binary,
  table: string,
  [chain, ...words]: readonly [string, ...string[]],
): boolean {
  const question = ['-t', table, '-C', chain, ...words, ...binary.lockArguments];
  return run(binary.name, question, { env: binary.environment }).status === 0;
}

/**
 * iptables-nft leaves an empty table behind where the last rule went. It does nothing, but iptables-save shows it; where the
 * program nft is there, a table that nobody uses goes too.
 */
export function dropUnusedTables(binary: Binary, names: readonly string[]): void {
  if (binary.isLegacy || names.length === 0) return;
  const saved = save(binary);
  for (const name of names) {
    if (saved.get(name)?.isUnused !== true) continue;
    run('nft', ['delete', 'table', binary.family === 'IPv4' ? 'ip' : 'ip6', name]);
  }
}

function commandName(family: Family): string {
  return family === 'IPv4' ? 'iptables' : 'ip6tables';
}

function binaryOf(options: IptablesOptions, family: Family, variant: Variant): Binary {
  const name = `${commandName(family)}${variant}`;
  if (variant === '-nft')
    return { family, name, isLegacy: false, lockArguments: [], environment: {} };
  const version = run(name, ['--version']).stdout;
  const isLegacy = variant === '-legacy' || (version !== '' && !version.includes('nf_tables'));
  const hasLock = isLegacy && isAtLeast(version, [1, 6, 2]);
  const lockArguments = hasLock ? [`--wait=${lockWaitSeconds}`] : [];
  // The node's lock guards the node's rules; ours are in a pod's namespace, whose file serves as a lock for those.
  const lockFile =
    options.cniMode && hasLock && isAtLeast(version, [1, 8, 6])
      ? options.networkNamespace
      : undefined;
  const environment: Record<string, string> =
    lockFile === undefined ? {} : { XTABLES_LOCKFILE: lockFile };
  return { family, name, isLegacy, lockArguments, environment };
}

function isAtLeast(text: string, wanted: readonly number[]): boolean {
  const version = /v(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(text)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (version === undefined) return false;
  for (const [at, part] of wanted.entries()) {
    const found = version[at] ?? 0;
    if (found !== part) return found > part;
  }
  return true;
}

/** A rule that matches nothing (protocol 255 does not exist), added and taken away in one transaction. */
function isUsable(binary: Binary): boolean {
  const rule = 'INPUT -p 255 -j RETURN';
  const input = `*nat\n-A ${rule}\n-D ${rule}\nCOMMIT\n`;
  const before = save(binary);
  const words = ['--noflush', ...binary.lockArguments];
  const { status } = run(`${binary.name}-restore`, words, { input, env: binary.environment });
  if (!before.has('nat')) dropUnusedTables(binary, ['nat']);
  return status === 0;
}
