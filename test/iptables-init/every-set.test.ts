// @long @timeout 400 s
// [m] Every option set of the goldens is taken by the real programs, for both families, twice, and leaves nothing behind. Root only.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PodNetwork, netnsUnavailableReason } from '../support/netns.ts';
import type { SetResult } from './every-set.ts';
import { kernelLacks } from './kernel-features.ts';
import { optionSets } from './option-sets.ts';

const driver = fileURLToPath(new URL('./every-set.ts', import.meta.url));
const skip = netnsUnavailableReason();
const features = ['owner', 'REDIRECT', 'TPROXY', 'zones', 'INVALID'] as const;
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

for (const [kind, program, rules] of [
  ['nft', 'iptables-nft-save', 'iptables-nft'],
  ['legacy', 'iptables-legacy-save', 'iptables-legacy'],
  ['native', 'nft', 'nftables'],
] as const) {
  const gap =
    skip === undefined && has(program) && has('nft')
      ? kernelLacks(rules, features)
      : `there is no ${program}, or no nft, here`;
  const why = skip ?? gap ?? false;
  t.test(`every option set, ${kind}`, { skip: why }, async (t) => {
    const network = new PodNetwork(['pod']);
    t.teardown(() => network.close());
    const pod = network.pod('pod');
    for (const command of ['iptables-legacy', 'ip6tables-legacy']) {
      // A table of iptables-legacy that was once looked at is listed for ever.
      for (const table of ['raw', 'mangle', 'nat']) pod.run(command, ['-t', table, '-S']);
    }
    const ran = pod.run(process.execPath, [driver, kind], { timeoutMs: 120_000 });
    t.equal(ran.status, 0, ran.stderr);
    const results = ran.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as SetResult);
    t.equal(results.length, optionSets.length);
    const lines = kind === 'native' ? 1 : 2;
    for (const { name, first, second, removed, isAsBefore } of results) {
      const all = (list: readonly string[], words: string): boolean =>
        list.length === lines && list.every((line) => line.includes(words));
      t.ok(all(first, 'are in place'), `${name}: ${first.join(', ')}`);
      t.ok(all(second, 'were in place already, nothing changed'), `${name}: ${second.join(', ')}`);
      t.ok(
        removed.some((line) => line.includes('are removed')),
        `${name}: ${removed.join(', ')}`,
      );
      t.ok(isAsBefore, `${name}: everything is as before`);
    }
  });
  if (why !== false) t.comment(`SKIPPED, root only: every option set, ${kind} (${why})`);
}
