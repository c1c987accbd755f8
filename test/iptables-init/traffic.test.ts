// @long @timeout 600 s
// [m] Real packets through real rules: what each option set does to traffic in and out of a pod, for iptables-nft, iptables-legacy
// and nftables, IPv4 and IPv6; and that `explain` foretold it. Root only.
import { spawnSync } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import { parseAddress } from '../../iptables-init/addresses.ts';
import { parseOptions } from '../../iptables-init/options.ts';
import { walkPlan } from '../../iptables-init/packet-walk.ts';
import { planRules } from '../../iptables-init/rule-plan.ts';
import { netnsUnavailableReason } from '../support/netns.ts';
import { kernelLacks } from './kernel-features.ts';
import type { Feature } from './kernel-features.ts';
import { wordsOf } from './option-sets.ts';
import type { Call } from './traffic-client.ts';
import { addresses, clientUser, TrafficPods } from './traffic-pods.ts';
import type { Client } from './traffic-pods.ts';

type Family = keyof typeof addresses;
type Names = (typeof addresses)[Family];

interface Check {
  readonly what: string;
  readonly client: Client;
  readonly call: Omit<Call, 'protocol' | 'hops'> & Partial<Call>;
  readonly answer: string;
}

interface Case {
  readonly name: string;
  readonly flags: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly resolvConf?: string;
  readonly checks: (a: Names) => readonly Check[];
}

const base = '-p 15001 -z 15006 -u 1337 -d 15090,15021,15020 --dual-stack';
const resolvConf = `nameserver ${addresses.IPv4.outside}\nnameserver ${addresses.IPv6.outside}\n`;

type Row = readonly [
  what: string,
  client: Client,
  to: readonly [string, number],
  answer: string,
  more?: Partial<Call>,
];
const check = (...[what, client, [host, port], answer, more]: Row): Check => ({
  what,
  client,
  call: { host, port, ...more },
  answer,
});

const at = (host: string, port: number): string => `${host}:${port}`;
const inbound = (a: Names, port = 8080): string => `15006 ${at(a.shop, port)} from ${a.outside}`;
const outbound = (a: Names, port = 9090, host: string = a.outside): string =>
  `15001 ${at(host, port)} from ${a.shop}`;
const direct = (a: Names): string => `outside sees ${a.shop}`;

/** What holds whenever everything is captured; `handsOn` is the source by which the proxy reaches the application. */
// prettier-ignore
const everything = (a: Names, proxy: Client, handsOn: (client: string) => string): readonly Check[] => [
  check('what comes in goes to the inbound port', 'outside', [a.shop, 8080], inbound(a)),
  check('and on to the application', 'outside', [a.shop, 8080], `${inbound(a)} > shop sees ${handsOn(a.outside)}`, { hops: 1 }),
  check('an excluded inbound port is left alone', 'outside', [a.shop, 15021], `shop sees ${a.outside}`),
  check('what the application sends goes to the outbound port', 'app', [a.outside, 9090], outbound(a)),
  check('and leaves the pod once', 'app', [a.outside, 9090], `${outbound(a)} > ${direct(a)}`, { hops: 1 }),
  check('the proxy’s user is not captured', proxy, [a.outside, 9090], direct(a)),
  check('the proxy’s group is not captured', 'proxyGroup', [a.outside, 9090], direct(a)),
  check('the pod calls itself through its service address', 'app', [a.service, 80], `${outbound(a, 80, a.service)} > 15006 ${at(a.shop, 8080)} from ${a.shop} > shop sees ${handsOn(a.shop)}`, { hops: 2 }),
  check('the proxy calls its own pod through the inbound port', proxy, [a.shop, 8080], `15006 ${at(a.shop, 8080)} from ${a.shop}`),
  check('the proxy hands on to the application by its own source', proxy, [a.shop, 8080], `shop sees ${a.passthrough}`, { source: a.passthrough }),
  check('the application calls its own pod', 'app', [a.shop, 8080], `shop sees ${a.shop}`),
  check('the application calls localhost', 'app', [a.localhost, 8080], `shop sees ${a.localhost}`),
  check('the proxy calls localhost', proxy, [a.localhost, 8080], `shop sees ${a.localhost}`),
  check('UDP is left alone', 'app', [a.outside, 9090], direct(a), { protocol: 'udp' }),
];

const dnsChecks = (a: Names, proxy: Client): readonly Check[] => [
  check(
    'a question over UDP goes to the agent',
    'app',
    [a.outside, 53],
    `15053 udp from ${a.shop}`,
    { protocol: 'udp', sourcePort: 40_053 },
  ),
  check(
    'and the agent’s own goes to the resolver, by the same port as before',
    proxy,
    [a.outside, 53],
    direct(a),
    { protocol: 'udp', sourcePort: 40_053 },
  ),
  check('both at once', 'app', [a.outside, 53], `15053 udp > ${direct(a)}`, {
    protocol: 'udp',
    hops: 1,
  }),
  check(
    'a question over TCP goes to the agent',
    'app',
    [a.outside, 53],
    `15053 ${at(a.outside, 53)} from ${a.shop}`,
  ),
  check('and the agent’s own goes to the resolver', proxy, [a.outside, 53], direct(a)),
  check('group alone is enough', 'proxyGroup', [a.outside, 53], direct(a), { protocol: 'udp' }),
];

const inOut = (a: Names, isIn: boolean, isOut: boolean): readonly Check[] => [
  check('in', 'outside', [a.shop, 8080], isIn ? inbound(a) : `shop sees ${a.outside}`),
  check('out', 'app', [a.outside, 9090], isOut ? outbound(a) : direct(a)),
];

const cases: readonly Case[] = [
  {
    name: 'everything, REDIRECT',
    flags: '-i * -b * -m REDIRECT',
    checks: (a) => [
      ...everything(a, 'proxy', () => a.passthrough),
      check('the tunnel port is left alone', 'outside', [a.shop, 15008], `shop sees ${a.outside}`),
    ],
  },
  { name: 'the short style of 2017', flags: 'short', checks: (a) => inOut(a, true, true) },
  { name: 'no flag at all', flags: '', checks: (a) => inOut(a, false, false) },
  {
    name: 'inbound ports listed',
    flags: '-i * -b 8081,8082',
    checks: (a) => [
      ...inOut(a, false, true),
      check('a listed port', 'outside', [a.shop, 8081], inbound(a, 8081)),
    ],
  },
  { name: 'nothing inbound', flags: "-i * -b ''", checks: (a) => inOut(a, false, true) },
  {
    name: 'nothing outbound',
    flags: "-i '' -b *",
    checks: (a) => [
      ...inOut(a, true, false),
      check(
        'the proxy to its own pod all the same',
        'proxy',
        [a.shop, 8080],
        `15006 ${at(a.shop, 8080)} from ${a.shop}`,
      ),
    ],
  },
  {
    name: 'outbound ranges',
    flags: '-i 10.77.0.2/32,fd77::2/128 -b *',
    checks: (a) => [
      ...inOut(a, true, true),
      check('another address', 'app', [a.second, 9090], direct(a)),
    ],
  },
  {
    name: 'outbound ranges excluded',
    flags: '-i * -x 10.77.0.2/32,fd77::2/128 -b *',
    checks: (a) => [
      ...inOut(a, true, false),
      check('another address', 'app', [a.second, 9090], outbound(a, 9090, a.second)),
    ],
  },
  {
    name: 'outbound ports excluded',
    flags: '-i * -o 9091 -b *',
    checks: (a) => [
      ...inOut(a, true, true),
      check('the excluded port', 'app', [a.outside, 9091], direct(a)),
    ],
  },
  {
    name: 'outbound ports included',
    flags: "-i '' -q 9091 -b *",
    checks: (a) => [
      ...inOut(a, true, false),
      check('the included port', 'app', [a.outside, 9091], outbound(a, 9091)),
    ],
  },
  {
    name: 'the interface excluded',
    flags: '-i * -b * -c eth0',
    checks: (a) => inOut(a, false, false),
  },
  {
    name: 'an interface excluded by a pattern',
    flags: '-i * -b * -c et+',
    checks: (a) => inOut(a, false, false),
  },
  {
    name: 'another interface excluded',
    flags: '-i * -b * -c eth1',
    checks: (a) => inOut(a, true, true),
  },
  {
    name: 'a virtual machine behind the interface',
    flags: '-i * -b * -k eth0',
    checks: (a) => [
      check(
        'what comes in counts as outbound',
        'outside',
        [a.shop, 8080],
        `15001 ${at(a.shop, 8080)} from ${a.outside}`,
      ),
    ],
  },
  {
    name: 'a virtual machine, by range',
    flags: '-i 10.77.0.0/24,fd77::/64 -b * -k eth0',
    checks: (a) => [
      check(
        'what comes in counts as outbound',
        'outside',
        [a.shop, 8080],
        `15001 ${at(a.shop, 8080)} from ${a.outside}`,
      ),
    ],
  },
  {
    name: 'a group excluded',
    flags: '-i * -b *',
    variables: { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888' },
    checks: (a) => [
      ...inOut(a, true, true),
      check('of that group', 'otherGroup', [a.outside, 9090], direct(a)),
    ],
  },
  {
    name: 'only a group captured',
    flags: '-i * -b *',
    variables: { ISTIO_OUTBOUND_OWNER_GROUPS: '888,889' },
    checks: (a) => [
      ...inOut(a, true, false),
      check('of that group', 'otherGroup', [a.outside, 9090], outbound(a)),
    ],
  },
  {
    name: 'loopback captured',
    flags: '-i 127.1.2.3/32,::1/128 -b *',
    checks: (a) => [
      ...inOut(a, true, false),
      ...(a.localhost === '::1'
        ? []
        : [
            check(
              'an included loopback address',
              'app',
              ['127.1.2.3', 8080],
              '15001 127.1.2.3:8080 from 127.0.0.1',
            ),
          ]),
    ],
  },
  {
    name: 'all of 127/8 is localhost',
    flags: '-i * -b *',
    variables: { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' },
    checks: (a) => [
      ...inOut(a, true, true),
      ...(a.localhost === '::1'
        ? []
        : [check('the proxy to 127.0.0.9', 'proxy', ['127.0.0.9', 8080], 'shop sees 127.0.0.1')]),
    ],
  },
  {
    name: 'several proxy users',
    flags: '-i * -b * -u 1337,1000',
    checks: (a) => inOut(a, true, false),
  },
  {
    name: 'invalid packets dropped',
    flags: '-i * -b * --drop-invalid',
    checks: (a) => everything(a, 'proxy', () => a.passthrough),
  },
  {
    name: 'other ports',
    flags: '-i * -b * -p 15053 -z 15001',
    checks: (a) => [
      check('in', 'outside', [a.shop, 8080], `15001 ${at(a.shop, 8080)} from ${a.outside}`),
      check('out', 'app', [a.outside, 9090], `15053 ${at(a.outside, 9090)} from ${a.shop}`),
    ],
  },
  {
    name: 'DNS of the pod’s resolvers',
    flags: '-i * -b * --redirect-dns',
    resolvConf,
    checks: (a) => [
      ...dnsChecks(a, 'proxy'),
      ...inOut(a, true, true),
      check(
        'another resolver over UDP is left alone',
        'app',
        [a.second, 53],
        `outside sees ${a.shop}`,
        { protocol: 'udp' },
      ),
      check(
        'another resolver over TCP is outbound traffic',
        'app',
        [a.second, 53],
        outbound(a, 53, a.second),
      ),
    ],
  },
  {
    name: 'DNS, all of it',
    flags: '-i * -b * --redirect-dns --capture-all-dns',
    checks: (a) => [
      ...dnsChecks(a, 'proxy'),
      ...everything(a, 'proxy', () => a.passthrough),
      check('any resolver', 'app', [a.second, 53], `15053 udp from ${a.shop}`, { protocol: 'udp' }),
      check(
        'a resolver inside the pod, over TCP',
        'app',
        [a.localhost, 53],
        `15053 ${at(a.localhost, 53)} from ${a.localhost}`,
      ),
    ],
  },
  {
    name: 'DNS and nothing else',
    flags: '--redirect-dns --capture-all-dns',
    checks: (a) => [...dnsChecks(a, 'proxy'), ...inOut(a, false, false)],
  },
  {
    name: 'everything, TPROXY',
    flags: '-i * -b * -m TPROXY',
    checks: (a) => everything(a, 'rootProxy', (client) => client),
  },
  {
    name: 'TPROXY with DNS and invalid packets dropped',
    flags: '-i * -b * -m TPROXY --redirect-dns --drop-invalid',
    resolvConf,
    checks: (a) => [
      ...everything(a, 'rootProxy', (client) => client),
      ...dnsChecks(a, 'rootProxy'),
    ],
  },
  {
    name: 'TPROXY, inbound ports listed',
    flags: '-i * -b 8081 -m TPROXY',
    checks: (a) => [
      ...inOut(a, false, true),
      check(
        'a listed port',
        'outside',
        [a.shop, 8081],
        `${inbound(a, 8081)} > shop sees ${a.outside}`,
        { hops: 1 },
      ),
    ],
  },
  {
    name: 'TPROXY, nothing inbound',
    flags: '-i * -m TPROXY',
    checks: (a) => inOut(a, false, true),
  },
  {
    name: 'TPROXY, the interface excluded',
    flags: '-i * -b * -m TPROXY -c eth0',
    checks: (a) => inOut(a, false, false),
  },
];

const backends = {
  'iptables-nft': ['--force-iptables-binary', 'nft'],
  'iptables-legacy': ['--force-iptables-binary', 'legacy'],
  nftables: ['--native-nftables'],
} as const;

function featuresOf({ flags }: Case): readonly Feature[] {
  return [
    'owner',
    'REDIRECT',
    ...(flags.includes('TPROXY') ? (['TPROXY'] as const) : []),
    ...(flags.includes('--redirect-dns') ? (['zones'] as const) : []),
    ...(flags.includes('--drop-invalid') ? (['INVALID'] as const) : []),
  ];
}

function flagsOf({ flags }: Case): readonly string[] {
  return flags === 'short'
    ? ['-p', '15001', '-u', '1337', '--dual-stack']
    : wordsOf(`${base} ${flags}`);
}

/** Port that the walk of a packet names; undefined where it names none. */
function foretold(one: Case, { client, call }: Check, family: Family): string | undefined {
  const machine = { uidOfUser: () => undefined, resolvConf: () => one.resolvConf ?? '' };
  const parsed = parseOptions(flagsOf(one), one.variables ?? {}, machine);
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  const a = addresses[family];
  const user = clientUser(client);
  const isOwn = call.host === a.shop || call.host.startsWith('127.') || call.host === '::1';
  const walk = walkPlan(planRules(parsed.options, family), {
    direction: user === undefined ? 'in' : 'out',
    protocol: call.protocol ?? 'tcp',
    source: call.source === undefined ? undefined : parseAddress(call.source),
    destination: parseAddress(call.host)!,
    sourcePort: '40000',
    destinationPort: String(call.port),
    networkInterface: user !== undefined && isOwn ? 'lo' : 'eth0',
    uid: user?.uid,
    gid: user?.gid,
  });
  return walk.port === '' ? undefined : walk.port;
}

function suite(t: Test, backend: keyof typeof backends): void {
  const pods = new TrafficPods();
  t.teardown(() => pods.close());
  let running = '';
  t.before(() => pods.start());

  const noTproxy = kernelLacks(backend, ['TPROXY']);
  t.test(
    'TPROXY without a proxy lets nothing pass by it',
    { skip: noTproxy ?? false },
    async (t) => {
      const words = [...wordsOf(`${base} -i * -b * -m TPROXY`), ...backends[backend]];
      t.equal(pods.run(words).status, 0);
      for (const { shop, outside } of Object.values(addresses)) {
        t.match(await pods.ask('outside', { host: shop, port: 8080 }), /^error /);
        t.equal(await pods.ask('outside', { host: shop, port: 15021 }), `shop sees ${outside}`);
      }
      t.equal(pods.run(['--cleanup-only']).status, 0);
    },
  );

  const noInvalid = kernelLacks(backend, ['INVALID']) ?? kernelLacks('iptables-legacy', ['zones']);
  if (noInvalid !== undefined) t.comment(`SKIPPED: invalid packets (${noInvalid})`);
  t.test(
    'a packet that conntrack calls invalid is dropped, if asked for',
    { skip: noInvalid ?? false },
    async (t) => {
      // The pod's own first packet is not tracked, so the answer to it is the first that conntrack sees, and none can begin like that.
      for (const command of ['iptables', 'ip6tables']) {
        const words = [
          '-t',
          'raw',
          '-A',
          'OUTPUT',
          '-p',
          'tcp',
          '--dport',
          '9091',
          '-j',
          'CT',
          '--notrack',
        ];
        t.equal(pods.shop.run(`${command}-legacy`, words).status, 0);
      }
      for (const [more, isDropped] of [
        [[], false],
        [['--drop-invalid'], true],
      ] as const) {
        t.equal(pods.run([...wordsOf(base), ...backends[backend], ...more]).status, 0);
        for (const a of Object.values(addresses)) {
          const answer = await pods.ask('app', { host: a.outside, port: 9091 });
          t.equal(answer, isDropped ? 'error timeout' : direct(a));
        }
        t.equal(pods.run([...more, '--cleanup-only']).status, 0);
      }
      for (const command of ['iptables', 'ip6tables'])
        pods.shop.run(`${command}-legacy`, ['-t', 'raw', '-F', 'OUTPUT']);
    },
  );

  for (const one of cases) {
    const gap = kernelLacks(backend, featuresOf(one));
    if (gap !== undefined) t.comment(`SKIPPED: ${one.name} (${gap})`);
    t.test(one.name, { skip: gap ?? false }, async (t) => {
      const mode = one.flags.includes('TPROXY') ? 'TPROXY' : 'REDIRECT';
      if (running !== mode) await pods.startProxy(mode);
      running = mode;
      const options = {
        ...(one.variables === undefined ? {} : { env: one.variables }),
        ...(one.resolvConf === undefined ? {} : { resolvConf: one.resolvConf }),
      };
      const before = pods.saved();
      const applied = pods.run([...flagsOf(one), ...backends[backend]], options);
      t.equal(applied.status, 0, applied.stderr);
      for (const family of ['IPv4', 'IPv6'] as const) {
        for (const row of one.checks(addresses[family])) {
          const name = `${family}: ${row.what} (${row.client})`;
          t.equal(await pods.ask(row.client, row.call), row.answer, name);
          const port = /^(15\d{3}) /.exec(row.answer)?.[1];
          t.equal(foretold(one, row, family), port, `${name}, as explained`);
        }
      }
      if (one.flags.includes('--redirect-dns')) checkZones(t, pods);
      const removed = pods.run([...flagsOf(one), '--cleanup-only'], options);
      t.equal(removed.status, 0, removed.stderr);
      t.equal(pods.saved(), before, 'everything is as before');
    });
  }
}

/** The agent's own exchange with a resolver and the application's with the agent are two flows to conntrack. */
function checkZones(t: Test, pods: TrafficPods): void {
  const flows = pods.shop.run('cat', ['/proc/net/nf_conntrack']);
  if (flows.status !== 0) {
    t.comment('SKIPPED: zones of flows, the kernel does not list them in /proc/net/nf_conntrack');
    return;
  }
  const questions = new RegExp(
    `udp .* dst=${addresses.IPv4.outside} sport=\\d+ dport=53 .*zone=(\\d+)`,
    'g',
  );
  const zones = [...flows.stdout.matchAll(questions)].map(([, zone]) => zone);
  t.ok(
    zones.includes('1') && zones.includes('2') && !zones.includes('0'),
    `zones ${[...new Set(zones)].join(', ')}`,
  );
}

const skip = netnsUnavailableReason();
for (const backend of ['iptables-nft', 'iptables-legacy', 'nftables'] as const) {
  const program = backend === 'nftables' ? 'nft' : `${backend}-save`;
  const isThere = spawnSync(program, ['--version']).status === 0;
  const why = skip ?? (isThere ? false : `there is no ${program} here`);
  t.test(`Traffic with ${backend}`, { skip: why }, async (t) => suite(t, backend));
  if (why !== false) t.comment(`SKIPPED, root only: traffic with ${backend} (${why})`);
}
