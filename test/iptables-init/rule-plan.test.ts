// [m] The plan of each option set against its golden file. Rewrite the goldens with OUTRIGGER_UPDATE_GOLDENS=1, then read the diff.
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import t from 'tap';
import { parseOptions } from '../../iptables-init/options.ts';
import { planRules } from '../../iptables-init/rule-plan.ts';
import { planLines, restoreText } from '../../iptables-init/rules-text.ts';

const injected = '-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * -d 15090,15021,15020';

/** Name of the golden, flags split at blanks, variables. */
const cases: readonly (readonly [string, string, Readonly<Record<string, string>>?])[] = [
  ['sidecar-default', injected],
  ['nothing-captured', ''],
  ['ports-and-owner', '-p 1001 -z 1006 -e 1008 -u 3,4 -g 1,2 -b * -i *'],
  ['inbound-port-list', '-b 4000,5000 -d 15090 -i *'],
  ['outbound-cidrs', `-b * -i 10.0.0.0/8,192.168.0.0/16,2001:DB8::/32`],
  ['outbound-cidrs-excluded', `${injected} -x 169.254.169.254/32,10.96.0.1/32,fd00::/8`],
  ['outbound-ports-excluded', `${injected} -o 3306,6379`],
  ['outbound-ports-included', '-b * -q 32000,31000 -i 10.0.0.0/8'],
  ['loopback-captured', '-b * -i 127.1.2.3/32'],
  ['loopback-captured-ipv6', '-b * -i ::1/128'],
  ['interfaces-excluded', `${injected} -c eth1,net+`],
  ['kube-virt-all', `${injected} -k eth1,eth2`],
  ['kube-virt-cidrs', '-b * -i 10.0.0.0/8,2001:db8::/32 -k eth1,eth2'],
  ['drop-invalid', `${injected} --drop-invalid`],
  ['owner-groups-excluded', injected, { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888,ftp' }],
  ['owner-groups-included', injected, { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,202' }],
  ['loopback-cidr-variable', injected, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' }],
];

function planText(flags: string, variables: Readonly<Record<string, string>>): string {
  const parsed = parseOptions(
    flags.split(' ').filter((word) => word !== ''),
    variables,
    () => undefined,
  );
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  const { options } = parsed;
  return (['IPv4', 'IPv6'] as const)
    .map((family) => `# ${family}\n${restoreText(planLines(planRules(options, family)))}`)
    .join('');
}

t.test('planRules', async (t) => {
  for (const [name, flags, variables = {}] of cases) {
    await t.test(name, async (t) => {
      const golden = new URL(`../golden/iptables/${name}.rules`, import.meta.url);
      const shown = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
      const text = `# ${[...shown, flags].join(' ').trim()}\n${planText(flags, variables)}`;
      if (process.env['OUTRIGGER_UPDATE_GOLDENS'] === '1') writeFileSync(golden, text);
      t.equal(text, readFileSync(golden, 'utf8'));
    });
  }
});
