// `npm run bench -- compare A B`: two result files, or two commits, which are built and run side by side in one run.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { changesText, compareSamples, pairPeers, pairRuns, runWarnings } from '../load/compare.ts';
import type { Change } from '../load/compare.ts';
import { git } from '../load/machine.ts';
import { checkOutCommit } from '../load/outrigger-build.ts';
import { readResult } from '../load/result-file.ts';
import { UsageError, readRunOptions } from './options.ts';
import type { RunOptions } from './options.ts';
import { ROOT, Session, print, publish } from './session.ts';

function tell(changes: readonly Change[]): number {
  print(changesText(changes));
  return 0;
}

function compareFiles(a: string, b: string): number {
  const before = readResult(a);
  const after = readResult(b);
  for (const warning of runWarnings(before, after)) print(`WARNING: ${warning}`);
  print(
    'Two runs on one machine can differ by more than their rounds show: look at the other proxies, which should not have changed.\n',
  );
  return tell(compareSamples(pairRuns(before, after)));
}

async function compareCommits(a: string, b: string, options: RunOptions): Promise<number> {
  const commits = [a, b].map((word) => {
    const commit = git(ROOT, 'rev-parse', '--short=10', '--verify', `${word}^{commit}`);
    if (commit === '') throw new UsageError(`${word} is neither a result file nor a commit`);
    return commit;
  });
  const session = new Session();
  try {
    const trees = commits.map((commit) => {
      const source = join(session.dir, `tree-${commit}`);
      checkOutCommit(ROOT, commit, source);
      return session.tree(options, `outrigger@${commit}`, source);
    });
    const report = await session.measure({ ...options, peers: ['outrigger'] }, trees);
    const code = publish(report, options);
    const [before = '', after = ''] = trees.map(({ name }) => name);
    tell(compareSamples(pairPeers(report.cases, before, after)));
    return code;
  } finally {
    session.close();
  }
}

export async function compareCommand(argv: readonly string[]): Promise<number> {
  const all = argv.some((word) => word === '--only' || word.startsWith('--only='));
  const options = readRunOptions(argv, !all);
  const [a, b, ...more] = options.positionals;
  if (a === undefined || b === undefined || more.length > 0)
    throw new UsageError('compare takes two result files or two commits');
  if (existsSync(a) && existsSync(b)) return compareFiles(a, b);
  return compareCommits(a, b, options);
}
