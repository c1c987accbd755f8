// Looks at what is there, puts the plan in place or takes it away: all of it, or nothing. [m]
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import {
  applyIptables,
  describeRules,
  inspectIptables,
  iptablesRemovals,
  marksPackets,
  removeIptables,
} from './iptables-backend.ts';
import type { FamilyState, Removal } from './iptables-backend.ts';
import { applyNft, compareNft, presentNftTables, removeNft } from './nft-backend.ts';
import { nftRemovalText } from './nft-text.ts';
import type { Family, IptablesOptions } from './options.ts';
import { addRoutes, missingRoutes, removeRoutes, routesMarkedPackets } from './routes.ts';
import { planRules } from './rule-plan.ts';
import { restoreText } from './rules-text.ts';
import { ApplyError } from './run-command.ts';
import { UndoList } from './undo-list.ts';

const howToReplace = 'use --reconcile or --force-apply to replace them, or --cleanup-only first';

/** IPv4 always; IPv6 where the pod has an address of that family that others can reach, or on demand where there is IPv6 at all. */
export function familiesInUse(options: IptablesOptions): readonly Family[] {
  const usesIPv6 = options.dualStack ? hasIPv6() : hasGlobalIPv6();
  return usesIPv6 ? ['IPv4', 'IPv6'] : ['IPv4'];
}

/** A second run changes nothing; a failed run changes nothing either. Returns what was done, for people. */
export function applyRules(
  options: IptablesOptions,
  families: readonly Family[],
): readonly string[] {
  return withUndo((undo) =>
    options.nativeNftables
      ? applyNative(options, families, undo)
      : applyTables(options, families, undo),
  );
}

/** Takes away what is ours and nothing else, whichever program laid it and whichever families are in use today. */
export function removeRules(options: IptablesOptions): readonly string[] {
  return withUndo((undo) => {
    const native = presentNftTables();
    const done = removals(options).map(({ family, removals, failure }) => {
      if (failure !== undefined)
        return `${family}: not looked at, because it is not in use: ${failure}`;
      for (const removal of removals) removeIptables(removal, undo);
      const marked =
        routesMarkedPackets(options) ||
        native.has('istio-proxy-mangle') ||
        removals.some(({ saved }) => marksPackets(saved));
      const hadRoutes = removeRoutes(options, family, { address: true, marked }, undo);
      const found = removals.length > 0 || hadRoutes;
      return `${family}: ${found ? 'rules are removed' : 'there were no rules'}`;
    });
    if (native.size === 0) return done;
    removeNft(undo);
    return [...done, 'nftables: tables are removed'];
  });
}

/** What `removeRules` would give to the programs. */
export function removalText(options: IptablesOptions): string {
  const texts = removals(options)
    .flatMap((family) => family.removals)
    .map(({ binary, lines }) => `# ${binary.name}\n${restoreText(lines)}`);
  return texts.join('') + (presentNftTables().size > 0 ? `# nft\n${nftRemovalText()}` : '');
}

/** A family that is not in use, and whose programs fail, is let be. */
function removals(options: IptablesOptions): readonly {
  readonly family: Family;
  readonly removals: readonly Removal[];
  readonly failure: string | undefined;
}[] {
  const families = hasIPv6() ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const);
  return families.map((family) => {
    try {
      return { family, removals: iptablesRemovals(options, family), failure: undefined };
    } catch (error) {
      const isNeeded = familiesInUse(options).includes(family);
      if (isNeeded || !(error instanceof ApplyError)) throw error;
      return { family, removals: [], failure: error.message };
    }
  });
}

function applyTables(
  options: IptablesOptions,
  families: readonly Family[],
  undo: UndoList,
): readonly string[] {
  const states = families.map((family) => inspectIptables(options, family));
  const otherKind = presentNftTables();
  if (options.replace === 'never') {
    for (const state of states) if (state.comparison.state === 'different') refuse(state);
    if (otherKind.size > 0) {
      throw new ApplyError(
        `nftables tables ${[...otherKind.keys()].join(', ')} are in place; ${howToReplace}`,
      );
    }
  }
  if (otherKind.size > 0) removeNft(undo);
  return states.map((state) => {
    const missing = missingRoutes(options, state.family);
    const marked = marksPackets(state.saved) || otherKind.has('istio-proxy-mangle');
    settleRoutes(options, state.family, marked, undo);
    const { state: found } = state.comparison;
    if (found === 'same' && options.replace !== 'always') {
      const added =
        missing.length === 0 ? 'nothing changed' : `added what was missing: ${missing.join(', ')}`;
      return `${state.family}: rules were in place already, ${added}`;
    }
    applyIptables(options, state, undo);
    return `${state.family}: rules ${found === 'absent' ? 'are in place' : 'were replaced'} (${state.binary.name})`;
  });
}

function applyNative(
  options: IptablesOptions,
  families: readonly Family[],
  undo: UndoList,
): readonly string[] {
  const plans = new Map(families.map((family) => [family, planRules(options, family)]));
  const present = presentNftTables();
  const state = compareNft(present, plans);
  const otherKind = families.flatMap((family) => iptablesRemovals(options, family));
  if (options.replace === 'never' && (state === 'different' || otherKind.length > 0)) {
    const what =
      otherKind.length > 0
        ? `rules of ${otherKind.map(({ binary }) => binary.name).join(', ')}`
        : 'other tables istio-proxy-*';
    throw new ApplyError(`nftables: ${what} are in place; ${howToReplace}`);
  }
  const marked =
    present.has('istio-proxy-mangle') || otherKind.some(({ saved }) => marksPackets(saved));
  for (const family of families) settleRoutes(options, family, marked, undo);
  for (const removal of otherKind) removeIptables(removal, undo);
  if (state === 'same' && options.replace !== 'always')
    return ['nftables: tables were in place already, nothing changed'];
  applyNft(plans, undo);
  if (compareNft(presentNftTables(), plans) !== 'same')
    throw new ApplyError('nft took the tables, and they are not all there');
  return [`nftables: tables ${state === 'absent' ? 'are in place' : 'were replaced'}`];
}

/** @param wereMarked whether the rules that are there, and will go, may have marked packets. */
function settleRoutes(
  options: IptablesOptions,
  family: Family,
  wereMarked: boolean,
  undo: UndoList,
): void {
  addRoutes(options, family, undo);
  if (wereMarked && !routesMarkedPackets(options))
    removeRoutes(options, family, { address: false, marked: true }, undo);
}

function refuse({ family, comparison }: FamilyState): never {
  const { missing, unexpected } = comparison;
  const some = <T>(list: readonly T[]): readonly T[] => list.slice(0, 3);
  const differences = [
    ...(missing.length > 0
      ? [`${missing.length} missing, such as ${describeRules(some(missing))}`]
      : []),
    ...(unexpected.length > 0
      ? [
          `${unexpected.length} not expected, such as ${some(unexpected)
            .map((line) => `"${line}"`)
            .join(', ')}`,
        ]
      : []),
  ];
  throw new ApplyError(
    `${family}: other ISTIO_* rules are in place; ${howToReplace}. Rules ${differences.join('; ')}`,
  );
}

function withUndo(deed: (undo: UndoList) => readonly string[]): readonly string[] {
  const undo = new UndoList();
  try {
    return deed(undo);
  } catch (error) {
    const failures = undo.run();
    if (!(error instanceof ApplyError)) throw error;
    const outcome =
      failures.length === 0
        ? 'nothing was changed'
        : `and what was done could not be taken back: ${failures.join('; ')}`;
    throw new ApplyError(`${error.message}; ${outcome}`);
  }
}

/** The file is empty where IPv6 is off for all interfaces, and missing where the kernel has none. */
function hasIPv6(): boolean {
  return existsSync('/proc/net/if_inet6') && readFileSync('/proc/net/if_inet6', 'utf8') !== '';
}

function hasGlobalIPv6(): boolean {
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((a) => a.family === 'IPv6' && !a.internal && !/^fe[89ab]/i.test(a.address)),
  );
}
