// [m] Which rule catches a packet: rows of flags, packet, verdict and reason; and how `explain` words it.
import t from 'tap';
import { explain } from '../../iptables-init/explain.ts';
import type { Answer } from '../../iptables-init/explain.ts';
import { injected, optionSets, optionsOf, wordsOf } from './option-sets.ts';
import { planRules } from '../../iptables-init/rule-plan.ts';
import { walkPlan } from '../../iptables-init/packet-walk.ts';
import { plannedProbes } from '../../iptables-init/planned-probes.ts';
import type { PlannedProbe } from '../../iptables-init/planned-probes.ts';

const machine = { uidOfUser: () => undefined, resolvConf: () => 'nameserver 10.96.0.10\n' };
const ask = (
  packet: string,
  flags: string,
  variables: Readonly<Record<string, string>> = {},
): Answer =>
  explain(
    [...wordsOf(`${packet} --pod-ip 10.1.1.1,fd00::1`), ...wordsOf(flags)],
    variables,
    machine,
  );

// prettier-ignore
const rows: readonly (readonly [packet: string, flags: string, end: string, variables?: Readonly<Record<string, string>>])[] = [
  ['--from app --to 10.0.0.5:443', injected, 'goes to port 15001 of this pod instead, because all outbound traffic is captured (-i *)'],
  ['--to [2001:db8::5]:443', injected, 'goes to port 15001 of this pod instead, because all outbound traffic is captured (-i *)'],
  ['--from proxy --to 10.0.0.5:443', injected, 'goes where it wants to, because traffic of the proxy itself (uid 1337) is never captured again'],
  ['--from uid:1337 --to 10.0.0.5:443', injected, 'goes where it wants to, because traffic of the proxy itself (uid 1337) is never captured again'],
  ['--from gid:1337 --to 10.0.0.5:443', injected, 'goes where it wants to, because traffic of the proxy itself (gid 1337) is never captured again'],
  ['--from app --to 127.0.0.1:8080', injected, 'goes where it wants to, because containers of the pod may talk to each other over loopback (uid is not 1337)'],
  ['--from app --to 10.1.1.1:8080', injected, 'goes where it wants to, because containers of the pod may talk to each other over loopback (uid is not 1337)'],
  ['--from proxy --to 10.1.1.1:8080', injected, 'goes to port 15006 of this pod instead, because the proxy (uid 1337) calls the pod’s own address, which the proxy’s inbound side serves'],
  ['--from proxy --to [fd00::1]:8080', injected, 'goes to port 15006 of this pod instead, because the proxy (uid 1337) calls the pod’s own address, which the proxy’s inbound side serves'],
  ['--from 127.0.0.6 --to 10.1.1.1:8080', injected, 'goes where it wants to, because the proxy hands inbound traffic on to the application from this address'],
  ['--from ::6 --to [fd00::1]:8080', injected, 'goes where it wants to, because the proxy hands inbound traffic on to the application from this address'],
  ['--from outside --to 8080', injected, 'goes to port 15006 of this pod instead, because all inbound ports are captured (-b *)'],
  ['--from outside --to 15021', injected, 'goes where it wants to, because inbound port 15021 is excluded (-d)'],
  ['--from 10.9.9.9 --to 10.1.1.1:15008', injected, 'goes where it wants to, because port 15008 is the tunnel port, which the proxy serves itself (-e)'],
  ['--from outside --to 8080 --protocol udp', injected, 'goes where it wants to, because no rule has anything to do with it'],
  ['--from outside --to 8080', '-b 80 -i *', 'goes where it wants to, because no rule has anything to do with it'],
  ['--from outside --to 80', '-b 80 -i *', 'goes to port 15006 of this pod instead, because inbound port 80 is captured (-b)'],
  ['--from outside --to 80 --interface net1', `${injected} -c net1`, 'goes where it wants to, because interface net1 is excluded (-c)'],
  ['--from app --to 10.0.0.5:80 --interface net1', `${injected} -c net+`, 'goes where it wants to, because interface net+ is excluded (-c)'],
  ['--from outside --to 10.0.0.5:80 --interface vm0', `${injected} -k vm0`, 'goes to port 15001 of this pod instead, because all that the virtual machine behind vm0 sends is captured (-k, -i *)'],
  ['--from app --to 10.0.0.5:22', `${injected} -o 22`, 'goes where it wants to, because outbound port 22 is excluded (-o)'],
  ['--from app --to 10.0.0.5:443', '-b * -q 443', 'goes to port 15001 of this pod instead, because outbound port 443 is captured whatever the address (-q)'],
  ['--from app --to 10.0.0.5:443', '-b * -i 10.0.0.0/8 -x 10.0.0.0/16', 'goes where it wants to, because 10.0.0.0/16 is an excluded outbound range (-x)'],
  ['--from app --to 10.2.0.5:443', '-b * -i 10.0.0.0/8 -x 10.0.0.0/16', 'goes to port 15001 of this pod instead, because 10.0.0.0/8 is a captured outbound range (-i)'],
  ['--from app --to 11.2.0.5:443', '-b * -i 10.0.0.0/8', 'goes where it wants to, because no rule has anything to do with it'],
  ['--from gid:888 --to 10.0.0.5:443', injected, 'goes where it wants to, because group 888 is excluded (ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE)', { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888' }],
  ['--from gid:889 --to 10.0.0.5:443', injected, 'goes where it wants to, because only groups java, 888 are captured (ISTIO_OUTBOUND_OWNER_GROUPS)', { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,888' }],
  ['--from gid:java --to 10.0.0.5:443', injected, 'goes to port 15001 of this pod instead, because all outbound traffic is captured (-i *)', { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,888' }],
  ['--from app --to 10.96.0.10:53 --protocol udp', `${injected} --redirect-dns`, 'goes to port 15053 of this pod instead, because DNS questions to resolver 10.96.0.10/32 are answered by the agent on 15053 (--redirect-dns)'],
  ['--from app --to 10.96.0.11:53 --protocol udp', `${injected} --redirect-dns`, 'goes to port 15001 of this pod instead, because all outbound traffic is captured (-i *)'],
  ['--from proxy --to 10.96.0.10:53 --protocol udp', `${injected} --redirect-dns`, 'goes where it wants to, because traffic of the proxy itself (uid 1337) is never captured again'],
  ['--from app --to 127.0.0.53:53', `${injected} --redirect-dns --capture-all-dns`, 'goes to port 15053 of this pod instead, because DNS questions to every resolver are answered by the agent on 15053 (--redirect-dns)'],
  ['--from outside --to 8080', `${injected} -m TPROXY`, 'goes to port 15006 of this pod with its addresses as they are, because all inbound ports are captured (-b *)'],
  ['--from outside --to 15021', `${injected} -m TPROXY`, 'goes where it wants to, because inbound port 15021 is excluded (-d)'],
  ['--from proxy --to 10.1.1.1:8080', `${injected} -m TPROXY`, 'goes to port 15006 of this pod with its addresses as they are, because all inbound ports are captured (-b *)'],
  ['--from app --to 10.1.1.1:8080', `${injected} -m TPROXY`, 'goes where it wants to, because containers of the pod may talk to each other over loopback'],
  ['--from app --to 10.0.0.5:443', '', 'goes to port 15001 of this pod instead, because all outbound traffic is captured (-i *)'],
  ['--from app --to 10.0.0.5:443', '', 'goes where it wants to, because no rule has anything to do with it', { ISTIO_SERVICE_CIDR: '10.1.0.0/16' }],
];

t.test('explain', async (t) => {
  for (const [packet, flags, end, variables] of rows) {
    const { status, text } = ask(packet, flags, variables);
    t.equal(status, 0, text);
    const said = text.split('\n').at(-2);
    // A UDP packet never meets a redirect of TCP: the chain is entered, and nothing in it matches.
    if (packet.includes('10.96.0.11'))
      t.equal(said, 'It goes where it wants to, because no rule has anything to do with it.');
    else t.equal(said, `It ${end}.`, `${packet} with ${flags}`);
  }

  await t.test('shows the way, and on demand what was passed by', async (t) => {
    const short = ask('--from app --to 10.0.0.5:443', injected).text;
    t.match(
      short,
      /^tcp from app \(uid 1000, gid 1000\) to 10\.0\.0\.5:443, which leaves by eth0:\n {2}\* nat {4}-A OUTPUT -j ISTIO_OUTPUT\n {6}all that/,
    );
    t.notMatch(short, /not this one/);
    const long = ask('--from app --to 10.0.0.5:443 --all', injected).text;
    t.match(
      long,
      /-A ISTIO_OUTPUT -o lo -s 127\.0\.0\.6\/32 -j RETURN\n {6}not this one: it leaves by eth0/,
    );
    t.match(long, /-m owner --uid-owner 1337 -j RETURN\n {6}not this one: its sender has uid 1000/);
    t.match(
      ask('--from app --to 10.0.0.5:443', `${injected} -u 1000`).text,
      /^tcp from app \(uid 1001/,
    );
  });

  await t.test('says what is wrong with the question', async (t) => {
    for (const [packet, problem] of [
      ['--to 10.0.0.5', /--to "10\.0\.0\.5" is no address with a port \(write 10\.0\.0\.5:443/],
      ['--to 10.0.0.5:99999', /--to "10\.0\.0\.5:99999" is no address/],
      ['--to 443', /--to "443" is no address with a port/],
      ['--to 10.0.0.5:443 --protocol sctp', /--protocol: "sctp" is neither tcp nor udp/],
      ['--to 10.0.0.5:443 --from nobody', /--from: "nobody" is none of/],
      ['--to 10.0.0.5:443 --what', /unknown flag --what/],
    ] as const) {
      const { status, text } = ask(packet, '');
      t.equal(status, 2, packet);
      t.match(text, problem);
    }
    t.equal(explain(['--help'], {}, machine).status, 0);
    t.match(
      explain(['--to', '10.0.0.5:1', '--pod-ip', 'x'], {}, machine).text,
      /--pod-ip: "x" is no address/,
    );
    t.match(explain(['--to'], {}, machine).text, /--to needs a value/);
  });
});

t.test('plannedProbes', async (t) => {
  for (const set of optionSets) {
    const options = optionsOf(set);
    for (const family of ['IPv4', 'IPv6'] as const) {
      const plan = planRules(options, family);
      const probes = plannedProbes(options, family, plan);
      const isOwnCall = ({ host }: PlannedProbe): boolean => ['127.0.0.6', '::6'].includes(host);
      // Where all of 127/8 counts as localhost, no call to it is a call to the pod; where only the mark of TPROXY captures, it takes a captured port.
      const hasOwnCall =
        (family === 'IPv6' || options.loopbackCidrIPv4 === '127.0.0.1/32') &&
        set.name !== 'tproxy-no-inbound';
      t.equal(probes.some(isOwnCall), hasOwnCall, `${set.name} ${family}: the proxy’s own call`);
      const inbound = probes.some(({ user }) => user === undefined);
      t.equal(
        inbound,
        options.inboundPortsInclude !== '*' ? options.inboundPortsInclude.length > 0 : true,
        `${set.name} ${family}: inbound`,
      );
      for (const { path } of probes) t.ok(path.length >= 2, `${set.name}: from hook to redirect`);
    }
  }
});

t.test('walkPlan gives up on a rule that it cannot read', async (t) => {
  const rule = {
    table: 'nat',
    chain: 'OUTPUT',
    position: undefined,
    words: ['--strange', 'x', '-j', 'RETURN'],
    why: '',
  } as const;
  const packet = {
    direction: 'out',
    protocol: 'tcp',
    source: undefined,
    destination: { family: 'IPv4', value: 1n },
    sourcePort: '1',
    destinationPort: '1',
    networkInterface: 'eth0',
    uid: '1',
    gid: '1',
  } as const;
  t.throws(() => walkPlan([rule], packet), /cannot read --strange x/);
});
