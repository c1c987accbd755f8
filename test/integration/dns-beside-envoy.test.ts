// DNS clusters: ours and the real Envoy ask the same name server, whose records change. Hosts in /clusters, and how often membership
// changed, must come to be the same after each change. Without Envoy (ENVOY_BIN) ours alone runs.
// @long
// @timeout 120 s
import t from 'tap';

import { DnsServer } from '../support/dns-server.ts';
import type { DnsRecords } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import {
  ProxyProcess,
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { ask } from '../support/test-http.ts';

type Json = { readonly [key: string]: unknown };

t.setTimeout(180_000);

const EXTENSION = 'type.googleapis.com/envoy.extensions.';
const RATE = '0.2s';

/** A record a step changes, and the hosts that come of it. */
type Step = readonly [what: string, records: DnsRecords, hosts: readonly string[]];

interface Row {
  readonly what: string;
  readonly cluster: (resolvers: readonly Json[]) => Json;
  readonly steps: readonly Step[];
}

const endpoints = (...names: readonly string[]): Json => ({
  cluster_name: 'c',
  endpoints: [
    {
      lb_endpoints: names.map((name) => ({
        endpoint: { address: { socket_address: { address: name, port_value: 80 } } },
      })),
    },
  ],
});

const plain =
  (type: string, more: Json = {}) =>
  (resolvers: readonly Json[]): Json => ({
    type,
    dns_refresh_rate: RATE,
    dns_resolvers: resolvers,
    load_assignment: endpoints('a.test'),
    ...more,
  });

const extension =
  (settings: Json) =>
  (resolvers: readonly Json[]): Json => ({
    cluster_type: {
      name: 'envoy.clusters.dns',
      typed_config: {
        '@type': `${EXTENSION}clusters.dns.v3.DnsCluster`,
        dns_refresh_rate: RATE,
        typed_dns_resolver_config: {
          name: 'envoy.network.dns_resolver.cares',
          typed_config: {
            '@type': `${EXTENSION}network.dns_resolver.cares.v3.CaresDnsResolverConfig`,
            resolvers,
            dns_resolver_options: { no_default_search_domain: true },
          },
        },
        ...settings,
      },
    },
    load_assignment: endpoints('a.test'),
  });

const four = (...addresses: readonly string[]): DnsRecords => ({ addresses, ttlS: 1 });
const BOTH: DnsRecords = four('10.0.0.1', '10.0.0.2', 'fd00::1');

const strict: readonly Step[] = [
  ['two', four('10.0.0.1', '10.0.0.2'), ['10.0.0.1', '10.0.0.2']],
  ['the other order', four('10.0.0.2', '10.0.0.1'), ['10.0.0.1', '10.0.0.2']],
  ['another', four('10.0.0.2', '10.0.0.3'), ['10.0.0.2', '10.0.0.3']],
  ['a failure', 'servfail', ['10.0.0.2', '10.0.0.3']],
  ['both families', BOTH, ['[fd00::1]']],
  ['no addresses', four(), []],
  ['one again', four('10.0.0.1'), ['10.0.0.1']],
  ['no such name', 'nxdomain', []],
];
const logical: readonly Step[] = [
  ['two', four('10.0.0.1', '10.0.0.2'), ['10.0.0.1']],
  ['the other order', four('10.0.0.2', '10.0.0.1'), ['10.0.0.2']],
  ['another', four('10.0.0.3'), ['10.0.0.3']],
  ['a failure', 'servfail', ['10.0.0.3']],
  ['no addresses', four(), ['10.0.0.3']],
  ['both families', BOTH, ['[fd00::1]']],
];

const rows: readonly Row[] = [
  { what: 'STRICT_DNS', cluster: plain('STRICT_DNS'), steps: strict },
  { what: 'LOGICAL_DNS', cluster: plain('LOGICAL_DNS'), steps: logical },
  { what: 'envoy.clusters.dns', cluster: extension({}), steps: strict },
  {
    what: 'envoy.clusters.dns with one host',
    cluster: extension({ all_addresses_in_single_endpoint: true }),
    steps: logical,
  },
  {
    what: 'TTLs that are respected',
    cluster: plain('STRICT_DNS', { respect_dns_ttl: true, dns_refresh_rate: '600s' }),
    steps: strict.slice(0, 3),
  },
  ...(
    [
      ['AUTO', ['[fd00::1]']],
      ['V4_ONLY', ['10.0.0.1', '10.0.0.2']],
      ['V6_ONLY', ['[fd00::1]']],
      ['V4_PREFERRED', ['10.0.0.1', '10.0.0.2']],
      ['ALL', ['10.0.0.1', '10.0.0.2', '[fd00::1]']],
    ] as const
  ).map(([family, hosts]): Row => {
    const cluster = plain('STRICT_DNS', { dns_lookup_family: family });
    return { what: `the family ${family}`, cluster, steps: [['both families', BOTH, hosts]] };
  }),
];

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

async function hostsOf(proxy: ProxyProcess, cluster: string): Promise<string> {
  const text = (await ask(proxy.adminPort, 'GET', '/clusters')).body;
  const hosts = text
    .split('\n')
    .filter((line) => line.startsWith(`${cluster}::`) && line.endsWith(':80::hostname::a.test'));
  return hosts
    .map((line) => line.slice(cluster.length + 2, -':80::hostname::a.test'.length))
    .sort()
    .join();
}

/** By row: what membership_change says after each step. */
async function play(t: Teardowns, binary: string | undefined): Promise<readonly number[][]> {
  const servers = await Promise.all(rows.map(() => DnsServer.listen()));
  t.teardown(() => servers.forEach((server) => server.close()));
  const clusters = rows.map((row, i) => {
    servers[i]!.set('a.test', row.steps[0]![1]);
    return { name: `c${i}`, connect_timeout: '1s', ...row.cluster([address(servers[i]!.port)]) };
  });
  const bootstrap = bootstrapOf([httpListener('main', [toCluster('c0')])], clusters);
  const proxy = await ProxyProcess.start(t, bootstrap, binary);
  return Promise.all(
    rows.map(async (row, i) => {
      const server = servers[i]!;
      const changes: number[] = [];
      for (const [what, records, hosts] of row.steps) {
        server.set('a.test', records);
        const before = server.asked.length;
        const wanted = [...hosts].sort().join();
        await eventually(`${row.what}: ${what}: ${binary ?? 'ours'} has ${wanted}`, async () => {
          // The name was asked for anew, in both families, and the answer is in force.
          return server.asked.length > before + 3 && (await hostsOf(proxy, `c${i}`)) === wanted;
        });
        changes.push(await proxy.stat(`cluster.c${i}.membership_change`));
      }
      return changes;
    }),
  );
}

t.test('DNS beside Envoy', async (t) => {
  const [ours, theirs] = await Promise.all([
    play(t, undefined),
    envoyBinary === undefined ? undefined : play(t, envoyBinary),
  ]);
  for (const [i, { what, steps }] of rows.entries()) {
    t.equal(ours[i]!.length, steps.length, what);
    if (theirs !== undefined)
      t.strictSame(ours[i], theirs[i], `${what}: membership changed as often`);
  }
});
