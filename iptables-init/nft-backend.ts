// Puts the nftables form of the plan in place and takes it away, each in one transaction. [m] nft(8).
import { nftFingerprint, nftRemovalText, nftRuleCounts, nftTables, nftText } from './nft-text.ts';
import type { PlansByFamily } from './nft-text.ts';
import { mustRun, run } from './run-command.ts';
import type { UndoList } from './undo-list.ts';

/** Texts of those tables of ours that are there, by name; none where there is no nft. */
export function presentNftTables(): ReadonlyMap<string, string> {
  const listed = run('nft', ['list', 'tables', 'inet']).stdout.split('\n');
  const present = new Map<string, string>();
  for (const name of nftTables) {
    if (listed.includes(`table inet ${name}`))
      present.set(name, mustRun('nft', ['list', 'table', 'inet', name]));
  }
  return present;
}

/** The kernel prints rules in its own words, so tables are known by a comment with the plan's fingerprint, and by their size. */
export function compareNft(
  present: ReadonlyMap<string, string>,
  plans: PlansByFamily,
): 'absent' | 'same' | 'different' {
  if (present.size === 0) return 'absent';
  const counts = nftRuleCounts(plans);
  const comment = `comment "${nftFingerprint(plans)}"`;
  const isSame =
    present.size === counts.size &&
    [...present].every(
      ([name, text]) => text.includes(comment) && countRules(text) === counts.get(name),
    );
  return isSame ? 'same' : 'different';
}

export function applyNft(plans: PlansByFamily, undo: UndoList): void {
  const text = nftText(plans);
  const before = presentNftTables();
  loadNft(text);
  undo.add(() => loadNft(nftRemovalText() + [...before.values()].join('')));
}

export function removeNft(undo: UndoList): void {
  const before = presentNftTables();
  loadNft(nftRemovalText());
  undo.add(() => loadNft(nftRemovalText() + [...before.values()].join('')));
}

function loadNft(text: string): void {
  mustRun('nft', ['-f', '-'], { input: text });
}

/** Rules are indented twice, and so is the hook of a base chain. */
function countRules(text: string): number {
  return text.match(/^\t\t(?!type )\S/gm)?.length ?? 0;
}
