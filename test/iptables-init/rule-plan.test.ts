// [m] The plan of each option set against its golden file. Rewrite the goldens with OUTRIGGER_UPDATE_GOLDENS=1, then read the diff.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import t from 'tap';
import { nftText } from '../../iptables-init/nft-text.ts';
import { routeCommands } from '../../iptables-init/routes.ts';
import { planRules } from '../../iptables-init/rule-plan.ts';
import { planLines, restoreText } from '../../iptables-init/rules-text.ts';
import { headerOf, optionSets, optionsOf } from './option-sets.ts';
import type { OptionSet } from './option-sets.ts';

const families = ['IPv4', 'IPv6'] as const;
const folder = new URL('../golden/iptables/', import.meta.url);
const updates = process.env['OUTRIGGER_UPDATE_GOLDENS'] === '1';

function compareWithGolden(name: string, text: string): string {
  const file = new URL(name, folder);
  if (updates) writeFileSync(file, text);
  return readFileSync(file, 'utf8');
}

function iptablesText(set: OptionSet): string {
  const options = optionsOf(set);
  return families
    .map((family) => {
      const routes = routeCommands(options, family).map((command) => `# ${command}\n`);
      return `# ${family}\n${routes.join('')}${restoreText(planLines(planRules(options, family)))}`;
    })
    .join('');
}

t.test('planRules', async (t) => {
  for (const set of optionSets) {
    await t.test(set.name, async (t) => {
      const text = headerOf(set) + iptablesText(set);
      t.equal(text, compareWithGolden(`${set.name}.rules`, text));
      for (const family of families) {
        t.ok(
          planRules(optionsOf(set), family).every((rule) => rule.why !== ''),
          'each rule says what for',
        );
      }
    });
  }
  const files = readdirSync(folder).filter((file) => file.endsWith('.rules'));
  t.equal(files.length, optionSets.length, 'a golden for each option set, and no other');
  t.ok(optionSets.length >= 40);
});

const nftSets = [
  'sidecar-default',
  'nothing-captured',
  'inbound-port-list',
  'outbound-cidrs',
  'outbound-everything-at-once',
  'interfaces-excluded',
  'kube-virt-all',
  'drop-invalid',
  'owner-groups-included',
  'dns-resolvers',
  'dns-resolvers-ipv4-only',
  'dns-all',
  'tproxy',
  'everything',
];

t.test('nftText', async (t) => {
  for (const set of optionSets.filter(({ name }) => nftSets.includes(name))) {
    await t.test(set.name, async (t) => {
      const options = optionsOf(set);
      const text =
        headerOf(set) + nftText(new Map(families.map((f) => [f, planRules(options, f)])));
      t.equal(text, compareWithGolden(`${set.name}.nft`, text));
    });
  }

  await t.test('lets the other family be where one has rules', async (t) => {
    const options = optionsOf(optionSets[0]!);
    for (const [family, other] of [
      ['IPv4', 'ipv6'],
      ['IPv6', 'ipv4'],
    ] as const) {
      const text = nftText(new Map([[family, planRules(options, family)]]));
      const guards = text.match(
        new RegExp(`policy accept;\n\t\tmeta nfproto ${other} return`, 'g'),
      );
      t.equal(guards?.length, 2, 'first in both base chains');
      t.notMatch(text, other === 'ipv6' ? /ip6 / : /ip [sd]addr/);
    }
  });
});
