// Ring hash and maglev: the same key must go to the same host in ours and in the real Envoy (ENVOY_BIN), key by key. Without Envoy
// what can be said alone is.
// @long
// @timeout 120 s
import t from 'tap';

import { endpoint, endpoints, hostAddress, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow, HostSample } from '../support/host-choice.ts';

t.setTimeout(120_000);

type Json = { readonly [key: string]: unknown };

const KEYS = 300;
const PREDICATES = 'type.googleapis.com/envoy.extensions.retry.host';
const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

const ring = (settings: Json = {}, more: Json = {}): Json => ({
  lb_policy: 'RING_HASH',
  ring_hash_lb_config: settings,
  ...more,
});
const maglev = (tableSize: number, more: Json = {}): Json => ({
  lb_policy: 'MAGLEV',
  maglev_lb_config: { table_size: tableSize },
  ...more,
});
const extension = (type: string, settings: Json): Json => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: {
          name: 'p',
          typed_config: { '@type': `${POLICIES}.${type}`, ...settings },
        },
      },
    ],
  },
});
const LOCALITIES = { common_lb_config: { locality_weighted_lb_config: {} } };
const BY_NAME = {
  type: 'STRICT_DNS',
  common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } },
};
const bounded = (percent: number): Json => ({
  common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: percent } },
});
const weights = (i: number): HostSample => ({ weight: 1 + ((i * 7) % 11) });
const sick = (i: number): HostSample => ({ health: 'UNHEALTHY', weight: i + 1 });
const ill =
  (every: number, health: string) =>
  (i: number): HostSample =>
    i % every === 0 ? {} : { health };
const zone = (name: string, weight: number, list: readonly Json[], more: Json = {}): Json =>
  locality(list, { locality: { region: 'r', zone: name }, load_balancing_weight: weight, ...more });
/** Weights and order out of step. */
const MIXED = [21, 9, 3, 17, 5, 2, 8].map((n) => endpoint(n, { weight: n }));
const PREVIOUS_HOSTS = {
  hash_policy: [{ header: { header_name: 'x-key' } }],
  retry_policy: {
    retry_on: '5xx',
    num_retries: 3,
    retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
    host_selection_retry_max_attempts: 4,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: { '@type': `${PREDICATES}.previous_hosts.v3.PreviousHostsPredicate` },
      },
    ],
  },
};

const rows: readonly (readonly [what: string, row: Omit<ChoiceRow, 'id'>])[] = [
  ['a ring', { cluster: ring(), endpoints: [locality(endpoints(1, 10))] }],
  ['a ring with weights', { cluster: ring(), endpoints: [locality(endpoints(1, 10, weights))] }],
  ['weights out of order', { cluster: ring(), endpoints: [locality(MIXED)] }],
  [
    'murmur hash',
    {
      cluster: ring({ hash_function: 'MURMUR_HASH_2', minimum_ring_size: 100 }),
      endpoints: [locality(endpoints(1, 17, weights))],
    },
  ],
  [
    'a ring with less places than weights ask for',
    {
      cluster: ring({ maximum_ring_size: 50, minimum_ring_size: 20 }),
      endpoints: [locality(endpoints(1, 33, weights))],
    },
  ],
  [
    'host names',
    {
      cluster: ring({}, BY_NAME),
      endpoints: [locality(endpoints(1, 9, (i) => ({ hostname: `h${i}.example` })))],
    },
  ],
  [
    'keys of hosts',
    {
      cluster: ring(),
      endpoints: [locality(endpoints(1, 9, (i) => ({ labels: { hash_key: `key${i}` } })))],
    },
  ],
  [
    'localities with weights',
    {
      cluster: ring({}, LOCALITIES),
      endpoints: [zone('z2', 3, endpoints(1, 5)), zone('z1', 1, endpoints(20, 3, weights))],
    },
  ],
  [
    'a locality whose hosts are all sick',
    {
      cluster: ring({}, LOCALITIES),
      endpoints: [zone('z2', 3, endpoints(1, 5, sick)), zone('z1', 1, endpoints(20, 13, weights))],
    },
  ],
  [
    'a locality without weight',
    {
      cluster: ring({}, LOCALITIES),
      endpoints: [locality(endpoints(1, 5)), zone('z1', 1, endpoints(20, 3, weights))],
    },
  ],
  [
    'priorities',
    {
      cluster: ring(),
      endpoints: [
        locality(endpoints(1, 10, ill(2, 'UNHEALTHY'))),
        locality(endpoints(20, 10), { priority: 1 }),
      ],
    },
  ],
  ['panic', { cluster: ring(), endpoints: [locality(endpoints(1, 10, ill(4, 'UNHEALTHY')))] }],
  [
    'degraded hosts get nothing',
    { cluster: ring(), endpoints: [locality(endpoints(1, 10, ill(2, 'DEGRADED')))] },
  ],
  [
    'a ring as an extension',
    {
      cluster: extension('ring_hash.v3.RingHash', { minimum_ring_size: 333 }),
      endpoints: [locality(endpoints(1, 12, weights))],
    },
  ],
  ['maglev', { cluster: maglev(65537), endpoints: [locality(endpoints(1, 10))] }],
  ['maglev, weights out of order', { cluster: maglev(1009), endpoints: [locality(MIXED)] }],
  [
    'maglev with more hosts than places',
    { cluster: maglev(11), endpoints: [locality(endpoints(1, 30, weights))] },
  ],
  [
    'maglev, localities with weights',
    {
      cluster: maglev(65537, LOCALITIES),
      endpoints: [zone('z2', 3, endpoints(1, 5)), zone('z1', 1, endpoints(20, 3, weights))],
    },
  ],
  [
    'maglev, host names',
    {
      cluster: maglev(65537, BY_NAME),
      endpoints: [locality(endpoints(1, 9, (i) => ({ hostname: `h${9 - i}.example` })))],
    },
  ],
  [
    'maglev, 300 hosts',
    { cluster: maglev(65537), endpoints: [locality(endpoints(1, 300, weights))] },
  ],
  [
    'maglev as an extension',
    {
      cluster: extension('maglev.v3.Maglev', { table_size: 1009 }),
      endpoints: [locality(endpoints(1, 12, weights))],
    },
  ],
  [
    'the address of the client',
    {
      cluster: maglev(65537),
      endpoints: [locality(endpoints(1, 200))],
      action: { hash_policy: [{ connection_properties: { source_ip: true } }] },
    },
  ],
  [
    'several policies together',
    {
      cluster: ring(),
      endpoints: [locality(endpoints(1, 50))],
      action: {
        hash_policy: [
          { connection_properties: { source_ip: true } },
          { header: { header_name: 'x-key' } },
        ],
      },
    },
  ],
];

const failing = Array.from({ length: 100 }, (_, i) => `x-key: k${i}\r\nx-fail: 1`);
const RETRIES: readonly (readonly [what: string, row: Omit<ChoiceRow, 'id'>])[] = [
  [
    'retries on the ring go to the next places',
    { cluster: ring(), endpoints: [locality(endpoints(1, 10, weights))], action: PREVIOUS_HOSTS },
  ],
  [
    'retries with maglev go far away',
    { cluster: maglev(1009), endpoints: [locality(endpoints(1, 10))], action: PREVIOUS_HOSTS },
  ],
];

const BOUNDED: readonly (readonly [what: string, row: Omit<ChoiceRow, 'id'>])[] = [
  [
    'bounded load on a ring',
    { cluster: ring({}, bounded(120)), endpoints: [locality(endpoints(1, 8, weights))] },
  ],
  [
    'bounded load with maglev',
    { cluster: maglev(1009, bounded(100)), endpoints: [locality(MIXED)] },
  ],
  [
    'bounded load, loosely',
    { cluster: maglev(1009, bounded(300)), endpoints: [locality(endpoints(1, 5))] },
  ],
];

const COOKIE = { hash_policy: [{ cookie: { name: 'sticky', ttl: '60s', path: '/p' } }] };
const cookieRows: readonly ChoiceRow[] = [
  { id: 'cookieRing', cluster: ring(), endpoints: [locality(endpoints(1, 20))], action: COOKIE },
  { id: 'cookieTurns', endpoints: [locality(endpoints(1, 20))], action: COOKIE },
];

/** Sessions of TCP: by the address of the client, and by metadata. */
const tcpRows: readonly ChoiceRow[] = [
  {
    id: 'tcpHash',
    cluster: maglev(65537),
    endpoints: [locality(endpoints(1, 200))],
    tcp: { hash_policy: [{ source_ip: {} }] },
  },
  {
    id: 'tcpSubset',
    cluster: { lb_subset_config: { subset_selectors: [{ keys: ['v'] }] } },
    endpoints: [locality(endpoints(1, 9, (i) => ({ labels: { v: i === 4 ? 'one' : 'other' } })))],
    tcp: { metadata_match: { filter_metadata: { 'envoy.lb': { v: 'one' } } } },
  },
];

const withIds = (prefix: string, list: typeof rows): readonly ChoiceRow[] =>
  list.map(([, row], i) => ({ id: `${prefix}${i}`, ...row }));

t.test('hashing', async (t) => {
  const { ours, envoy } = await startChoice(t, [
    ...withIds('row', rows),
    ...withIds('retry', RETRIES),
    ...withIds('bound', BOUNDED),
    ...cookieRows,
    ...tcpRows,
  ]);

  for (const [i, [what]] of rows.entries()) {
    const chosen = await ours.byKey(`row${i}`, KEYS);
    t.same(await ours.byKey(`row${i}`, KEYS), chosen, `${what}: the same again`);
    if (envoy === undefined) continue;
    t.same(await envoy.byKey(`row${i}`, KEYS), chosen, `${what}: as Envoy, ${KEYS} keys`);
  }
  for (const [i, [what]] of RETRIES.entries()) {
    const chosen = await ours.choose(`retry${i}`, failing);
    if (envoy !== undefined) t.same(await envoy.choose(`retry${i}`, failing), chosen, what);
  }

  for (const [i, [what]] of BOUNDED.entries()) {
    const heads = Array.from({ length: 60 }, (_, n) => `x-key: k${n % 3}`);
    const chosen = await ours.hold(`bound${i}`, heads);
    ours.release();
    t.ok(new Set(chosen).size >= 3, `${what}: three keys, at least as many hosts`);
    if (envoy === undefined) continue;
    t.same(await envoy.hold(`bound${i}`, heads), chosen, `${what}: as Envoy, request by request`);
    envoy.release();
  }

  for (const proxy of envoy === undefined ? [ours] : [ours, envoy]) {
    const get = async (row: string, cookie: string): Promise<Headers> => {
      const port = proxy.process.port('in');
      const response = await fetch(`http://127.0.0.1:${port}/${row}/`, { headers: { cookie } });
      await response.text();
      return response.headers;
    };
    const first = await get('cookieRing', '');
    const cookie = first.get('set-cookie')!;
    t.match(cookie, /^sticky="[0-9a-f]{16}"; Max-Age=60; Path=\/p; HttpOnly$/, 'a cookie is made');
    for (let i = 0; i < 10; i++) {
      const again = await get('cookieRing', cookie.slice(0, cookie.indexOf(';')));
      t.equal(again.get('x-host'), first.get('x-host'), 'and leads to the same host');
      t.equal(again.get('set-cookie'), null, 'and is not made again');
    }
    t.equal(
      (await get('cookieTurns', '')).get('set-cookie'),
      null,
      'no cookie where nobody hashes',
    );
  }

  const hosts: string[] = [];
  for (let i = 1; i <= 20; i++) {
    const from = `127.2.0.${i}`;
    const host = await ours.tcp('tcpHash', from);
    t.equal(await ours.tcp('tcpHash', from), host, 'a client of TCP keeps its host');
    hosts.push(host);
    if (envoy === undefined) continue;
    t.equal(await envoy.tcp('tcpHash', from), host, 'which is that of Envoy');
    t.equal(await envoy.tcp('tcpSubset', from), hostAddress(5));
  }
  t.ok(new Set(hosts).size > 10, 'and others have others');
  t.equal(await ours.tcp('tcpSubset', '127.0.0.1'), hostAddress(5), 'metadata_match of TCP');

  if (envoy === undefined) return;
  const [oursStats, envoyStats] = [await ours.process.stats(), await envoy.process.stats()];
  const compared = /\.(?:ring_hash_lb\.|maglev_lb\.|lb_healthy_panic)/;
  for (const [name, value] of envoyStats)
    if (compared.test(name))
      t.equal(oursStats.get(name) ?? 0, name.endsWith('panic') ? value * 2 : value, name);
});
