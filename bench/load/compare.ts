// Two runs, or two peers of one run, metric by metric: what changed beyond noise.
import type { CaseResult } from './measure.ts';
import { METRICS } from './metrics.ts';
import type { Samples } from './metrics.ts';
import { markdownTable } from './report.ts';
import type { RunReport } from './report.ts';
import { difference, spreadOf } from './statistics.ts';

export interface Change {
  readonly case: string;
  readonly peer: string;
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  readonly verdict: 'better' | 'worse' | 'changed' | 'noise' | 'too few rounds';
}

export interface ComparedPeer {
  readonly case: string;
  readonly peer: string;
  readonly before: Samples;
  readonly after: Samples;
}

export function compareSamples(pairs: readonly ComparedPeer[]): Change[] {
  const changes: Change[] = [];
  for (const pair of pairs) {
    for (const [metric, { better, grain }] of METRICS) {
      const before = pair.before[metric];
      const after = pair.after[metric];
      if (before === undefined || after === undefined) continue;
      const found = difference(before, after, grain);
      let verdict: Change['verdict'] = 'changed';
      if (found === 'noise' || found === 'too few rounds') verdict = found;
      else if (better !== undefined) verdict = found === better ? 'better' : 'worse';
      changes.push({
        case: pair.case,
        peer: pair.peer,
        metric,
        before: spreadOf(before).median,
        after: spreadOf(after).median,
        verdict,
      });
    }
  }
  return changes;
}

/** The same peers in the same cases of two runs. */
export function pairRuns(a: RunReport, b: RunReport): ComparedPeer[] {
  const pairs: ComparedPeer[] = [];
  for (const before of a.cases) {
    const after = b.cases.find(({ name }) => name === before.name);
    for (const { peer, samples } of before.peers) {
      const other = after?.peers.find((candidate) => candidate.peer === peer);
      if (other !== undefined)
        pairs.push({ case: before.name, peer, before: samples, after: other.samples });
    }
  }
  return pairs;
}

/** Two peers of one run: two commits, say. */
export function pairPeers(cases: readonly CaseResult[], a: string, b: string): ComparedPeer[] {
  return cases.flatMap(({ name, peers }) => {
    const before = peers.find(({ peer }) => peer === a);
    const after = peers.find(({ peer }) => peer === b);
    if (before === undefined || after === undefined) return [];
    return [{ case: name, peer: 'outrigger', before: before.samples, after: after.samples }];
  });
}

export function changesText(changes: readonly Change[]): string {
  const rows = [['case', 'peer', 'metric', 'before', 'after', 'change', 'verdict']];
  for (const change of changes) {
    const { title = change.metric, digits = 1 } = METRICS.get(change.metric) ?? {};
    const percent = ((change.after - change.before) * 100) / Math.abs(change.before);
    rows.push([
      change.case,
      change.peer,
      title,
      change.before.toFixed(digits),
      change.after.toFixed(digits),
      Number.isFinite(percent) ? `${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %` : '–',
      change.verdict === 'noise' ? 'within noise' : change.verdict.toUpperCase(),
    ]);
  }
  const count = (verdict: Change['verdict']): number =>
    changes.filter((change) => change.verdict === verdict).length;
  return `${markdownTable(rows)}\n\n${count('better')} better, ${count('worse')} worse, ${count('noise')} within noise, ${count('too few rounds')} with too few rounds to tell\n`;
}

/** What makes a comparison of two runs doubtful. */
export function runWarnings(a: RunReport, b: RunReport): string[] {
  const warnings: string[] = [];
  for (const key of ['cpu', 'cpus', 'kernel', 'node'] as const) {
    if (a.machine[key] !== b.machine[key])
      warnings.push(`${key} differs: ${a.machine[key]} and ${b.machine[key]}`);
  }
  if (a.method.load !== b.method.load)
    warnings.push(`load generators differ: ${a.method.load} and ${b.method.load}`);
  return warnings;
}
