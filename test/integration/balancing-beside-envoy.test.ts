// How requests divide over priorities, localities and hosts, in ours and in the real Envoy (ENVOY_BIN): both must be within stated
// bounds of what the rules say (envoy-behaviour §7.4 to §7.6).
// @long
// @timeout 120 s
import t from 'tap';

import { endpoints, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow, ChoosingProxy, HostSample } from '../support/host-choice.ts';

t.setTimeout(120_000);

type Json = { readonly [key: string]: unknown };

const REQUESTS = 1000;
/** Of a share of REQUESTS drawn at random, in percent: four standard deviations of a half. */
const BOUND = 6.4;
const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

/** Hosts are told apart by groups of 20 addresses. */
const group = (
  number: number,
  count: number,
  sample?: (i: number) => HostSample,
): readonly Json[] => endpoints(number * 20 + 1, count, sample);
const zone = (number: number, list: readonly Json[], more: Json = {}): Json =>
  locality(list, { locality: { region: 'r', zone: `z${number}` }, ...more });
const zones = (...counts: readonly number[]): readonly Json[] =>
  counts.map((count, i) => zone(i, group(i, count))).filter((_, i) => counts[i]! > 0);
const first =
  (healthy: number, others: string) =>
  (i: number): HostSample =>
    i < healthy ? {} : { health: others };
const weight = (number: number): Json => ({ load_balancing_weight: number });
const priority = (number: number): Json => ({ priority: number });
const common = (settings: Json): Json => ({ common_lb_config: settings });
const zoneAware = (settings: Json): Json => common({ zone_aware_lb_config: settings });
const WEIGHTED = common({ locality_weighted_lb_config: {} });
const list = (type: string, settings: Json = {}): Json => ({
  policies: [
    {
      typed_extension_config: {
        name: 'p',
        typed_config: { '@type': `${POLICIES}.${type}`, ...settings },
      },
    },
  ],
});
const extension = (type: string, settings: Json = {}): Json => ({
  load_balancing_policy: list(type, settings),
});
const zoneExtension = (settings: Json): Json =>
  extension('round_robin.v3.RoundRobin', {
    locality_lb_config: { zone_aware_lb_config: settings },
  });

interface Row extends Omit<ChoiceRow, 'id'> {
  readonly what: string;
  /** Percent by group; 100 in all, or none: nobody answers. */
  readonly shares: readonly number[];
  /** Default BOUND: chance decides; 0.2: turns do. */
  readonly bound?: number;
}

const TURNS = 0.2;

const rows: readonly Row[] = [
  // Zones. Of our like, half is in zone 0, half in zone 1.
  { what: 'zone-aware: enough in the own zone', endpoints: zones(4, 4), shares: [100, 0] },
  { what: 'zone-aware: more than enough', endpoints: zones(6, 2), shares: [100, 0] },
  {
    what: 'zone-aware: the rest goes where there is more than needed',
    endpoints: zones(2, 6, 2),
    shares: [40, 20, 40],
  },
  { what: 'zone-aware: nobody in the own zone', endpoints: zones(0, 6, 2), shares: [0, 50, 50] },
  {
    what: 'zone-aware: too few hosts',
    endpoints: zones(2, 2, 1),
    shares: [40, 40, 20],
    bound: TURNS,
  },
  {
    what: 'zone-aware: few hosts will do',
    endpoints: zones(1, 1, 1),
    cluster: zoneAware({ min_cluster_size: 3 }),
    shares: [66.67, 0, 33.33],
  },
  {
    what: 'zone-aware: off',
    endpoints: zones(4, 4),
    cluster: zoneAware({ routing_enabled: { value: 0 } }),
    shares: [50, 50],
    bound: TURNS,
  },
  {
    what: 'zone-aware: half',
    endpoints: zones(4, 4),
    cluster: zoneAware({ routing_enabled: { value: 50 } }),
    shares: [75, 25],
  },
  {
    what: 'zone-aware: the sick do not count',
    endpoints: [
      zone(0, group(0, 8, first(2, 'UNHEALTHY'))),
      zone(1, group(1, 6)),
      zone(2, group(2, 2)),
    ],
    shares: [40, 20, 40],
  },
  {
    what: 'zone-aware: random hosts',
    endpoints: zones(2, 6, 2),
    cluster: { lb_policy: 'RANDOM' },
    shares: [40, 20, 40],
  },
  {
    what: 'zone-aware: by weight',
    endpoints: [
      zone(
        0,
        group(0, 4, () => ({ weight: 1 })),
      ),
      zone(
        1,
        group(1, 4, () => ({ weight: 3 })),
      ),
    ],
    cluster: zoneExtension({ locality_basis: 'HEALTHY_HOSTS_WEIGHT' }),
    shares: [50, 50],
  },
  {
    what: 'zone-aware: forced',
    endpoints: zones(2, 8),
    cluster: zoneExtension({ force_local_zone: { min_size: 2 } }),
    shares: [100, 0],
  },
  {
    what: 'zone-aware: not enough to be forced',
    endpoints: zones(1, 8, 1),
    cluster: zoneExtension({ force_local_zone: { min_size: 2 } }),
    shares: [20, 60, 20],
  },
  {
    what: 'zone-aware: no traffic in panic',
    endpoints: [
      zone(0, group(0, 4, first(1, 'UNHEALTHY'))),
      zone(1, group(1, 4, first(1, 'UNHEALTHY'))),
    ],
    cluster: zoneAware({ fail_traffic_on_panic: true }),
    shares: [],
  },

  // Weights of localities.
  {
    what: 'weights of localities',
    endpoints: [zone(0, group(0, 2), weight(1)), zone(1, group(1, 5), weight(3))],
    cluster: WEIGHTED,
    shares: [25, 75],
    bound: TURNS,
  },
  {
    what: 'a locality with sick hosts gives some of its share away',
    endpoints: [
      zone(0, group(0, 2), weight(1)),
      zone(1, group(1, 4, first(2, 'UNHEALTHY')), weight(3)),
    ],
    cluster: WEIGHTED,
    shares: [100 / 3.1, 210 / 3.1],
    bound: TURNS,
  },
  {
    what: 'a locality without weight gets nothing',
    endpoints: [zone(0, group(0, 2), weight(1)), zone(1, group(1, 4))],
    cluster: WEIGHTED,
    shares: [100, 0],
    bound: 0,
  },
  {
    what: 'localities without any weight are one',
    endpoints: zones(1, 4),
    cluster: WEIGHTED,
    shares: [20, 80],
    bound: TURNS,
  },
  {
    what: 'weights of localities do not count in panic',
    endpoints: [
      zone(0, group(0, 4, first(1, 'UNHEALTHY')), weight(9)),
      zone(1, group(1, 4, first(0, 'UNHEALTHY')), weight(1)),
    ],
    cluster: WEIGHTED,
    shares: [50, 50],
    bound: TURNS,
  },
  {
    what: 'weights of localities by extension',
    endpoints: [zone(0, group(0, 2), weight(1)), zone(1, group(1, 5), weight(3))],
    cluster: extension('least_request.v3.LeastRequest', {
      locality_lb_config: { locality_weighted_lb_config: {} },
    }),
    shares: [25, 75],
    bound: TURNS,
  },
  {
    what: 'weights of localities within subsets',
    endpoints: [
      zone(
        0,
        group(0, 4, () => ({ labels: { v: '1' } })),
        weight(1),
      ),
      zone(
        1,
        group(1, 4, (i) => ({ labels: { v: i < 1 ? '1' : '2' } })),
        weight(3),
      ),
    ],
    cluster: {
      ...WEIGHTED,
      lb_subset_config: { subset_selectors: [{ keys: ['v'] }], locality_weight_aware: true },
    },
    action: { metadata_match: { filter_metadata: { 'envoy.lb': { v: '1' } } } },
    shares: [25, 75],
    bound: TURNS,
  },
  {
    what: 'weights of localities within subsets, scaled',
    endpoints: [
      zone(
        0,
        group(0, 4, () => ({ labels: { v: '1' } })),
        weight(10),
      ),
      zone(
        1,
        group(1, 4, (i) => ({ labels: { v: i < 1 ? '1' : '2' } })),
        weight(30),
      ),
    ],
    cluster: {
      ...WEIGHTED,
      lb_subset_config: {
        subset_selectors: [{ keys: ['v'] }],
        locality_weight_aware: true,
        scale_locality_weight: true,
      },
    },
    action: { metadata_match: { filter_metadata: { 'envoy.lb': { v: '1' } } } },
    shares: [(100 * 10) / 18, (100 * 8) / 18],
    bound: TURNS,
  },
  {
    what: 'weights of localities do not reach subsets unasked',
    endpoints: [
      zone(
        0,
        group(0, 4, () => ({ labels: { v: '1' } })),
        weight(1),
      ),
      zone(
        1,
        group(1, 4, (i) => ({ labels: { v: i < 1 ? '1' : '2' } })),
        weight(3),
      ),
    ],
    cluster: { ...WEIGHTED, lb_subset_config: { subset_selectors: [{ keys: ['v'] }] } },
    action: { metadata_match: { filter_metadata: { 'envoy.lb': { v: '1' } } } },
    shares: [80, 20],
    bound: TURNS,
  },

  // Priorities.
  {
    what: 'half of the first priority is healthy',
    endpoints: [locality(group(0, 10, first(5, 'UNHEALTHY'))), locality(group(1, 10), priority(1))],
    shares: [70, 30],
  },
  {
    what: 'another overprovisioning',
    endpoints: [locality(group(0, 10, first(5, 'UNHEALTHY'))), locality(group(1, 10), priority(1))],
    policy: { overprovisioning_factor: 100 },
    shares: [50, 50],
  },
  {
    what: 'three priorities, all short',
    endpoints: [
      locality(group(0, 10, first(2, 'UNHEALTHY'))),
      locality(group(1, 10, first(2, 'UNHEALTHY')), priority(1)),
      locality(group(2, 10, first(6, 'UNHEALTHY')), priority(2)),
    ],
    cluster: common({ healthy_panic_threshold: { value: 0 } }),
    shares: [28, 28, 44],
  },
  {
    what: 'priorities by weight',
    endpoints: [
      locality(group(0, 10, (i) => (i < 5 ? { weight: 1 } : { weight: 4, health: 'UNHEALTHY' }))),
      locality(group(1, 10), priority(1)),
    ],
    policy: { weighted_priority_health: true },
    shares: [28, 72],
  },
  {
    what: 'degraded hosts take what the healthy of all priorities leave',
    endpoints: [
      locality([...group(0, 4), ...group(1, 6, () => ({ health: 'DEGRADED' }))]),
      locality(group(2, 10, first(2, 'UNHEALTHY')), priority(1)),
    ],
    shares: [56, 16, 28],
  },
  {
    what: 'only degraded hosts',
    endpoints: [locality(group(0, 4, () => ({ health: 'DEGRADED' })))],
    shares: [100],
    bound: 0,
  },
  {
    what: 'all priorities in panic',
    endpoints: [
      locality(group(0, 5, first(1, 'UNHEALTHY'))),
      locality(group(1, 15, first(3, 'UNHEALTHY')), priority(1)),
    ],
    shares: [25, 75],
  },
  {
    what: 'one priority in panic',
    endpoints: [
      locality([...group(0, 2), ...group(1, 8, () => ({ health: 'UNHEALTHY' }))]),
      locality(group(2, 10, first(4, 'UNHEALTHY')), priority(1)),
    ],
    cluster: common({ healthy_panic_threshold: { value: 30 } }),
    shares: [6.8, 27.2, 66],
  },

  // Hosts.
  {
    what: 'weights',
    endpoints: [
      locality([
        ...group(0, 1, () => ({ weight: 1 })),
        ...group(1, 1, () => ({ weight: 2 })),
        ...group(2, 1, () => ({ weight: 7 })),
      ]),
    ],
    shares: [10, 20, 70],
    bound: TURNS,
  },
  {
    what: 'weights with least request, nothing under way',
    endpoints: [
      locality([
        ...group(0, 1, () => ({ weight: 1 })),
        ...group(1, 1, () => ({ weight: 2 })),
        ...group(2, 1, () => ({ weight: 7 })),
      ]),
    ],
    cluster: { lb_policy: 'LEAST_REQUEST' },
    shares: [10, 20, 70],
    bound: TURNS,
  },
  {
    what: 'weights do not count by chance',
    endpoints: [
      locality([...group(0, 1, () => ({ weight: 1 })), ...group(1, 1, () => ({ weight: 9 }))]),
    ],
    cluster: { lb_policy: 'RANDOM' },
    shares: [50, 50],
  },
  {
    what: 'least request with equal weights',
    endpoints: [locality([...group(0, 1), ...group(1, 1)])],
    cluster: { lb_policy: 'LEAST_REQUEST' },
    shares: [50, 50],
  },
  {
    what: 'least request that looks at all',
    endpoints: [locality([...group(0, 1), ...group(1, 3)])],
    cluster: extension('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN' }),
    shares: [25, 75],
  },
  {
    what: 'slow start of all at once changes nothing',
    endpoints: [
      locality([...group(0, 1, () => ({ weight: 1 })), ...group(1, 1, () => ({ weight: 4 }))]),
    ],
    cluster: { round_robin_lb_config: { slow_start_config: { slow_start_window: '60s' } } },
    shares: [20, 80],
    bound: 1,
  },
];

const localRow: ChoiceRow = { id: 'local', endpoints: zones(2, 2) };
const bootstrap = {
  node: { id: 'node', cluster: 'local', locality: { region: 'r', zone: 'z0' } },
  cluster_manager: { local_cluster_name: 'local' },
};

async function sharesOf(proxy: ChoosingProxy, id: string, { shares }: Row): Promise<number[]> {
  const count = shares.length === 0 ? 1 : REQUESTS;
  const chosen = await proxy.choose(
    id,
    Array.from({ length: count }, () => ''),
  );
  return Array.from({ length: Math.max(3, shares.length) }, (_, i) => {
    const ours = chosen.filter(
      (address) => address !== '' && Math.floor((Number(address.split('.').at(-1)) - 1) / 20) === i,
    );
    return (ours.length * 100) / count;
  });
}

t.test('balancing', async (t) => {
  const { ours, envoy } = await startChoice(
    t,
    [localRow, ...rows.map((row, i) => ({ id: `row${i}`, ...row }))],
    { bootstrap },
  );
  for (const [i, row] of rows.entries()) {
    for (const [who, proxy] of [
      ['ours', ours],
      ['Envoy', envoy],
    ] as const) {
      if (proxy === undefined) continue;
      const shares = await sharesOf(proxy, `row${i}`, row);
      const close = shares.every(
        (share, at) => Math.abs(share - (row.shares[at] ?? 0)) <= (row.bound ?? BOUND),
      );
      t.ok(close, `${row.what}: ${who} ${shares.join(' ')}, expected ${row.shares.join(' ')}`);
    }
  }
  if (envoy === undefined) return;
  const [oursStats, envoyStats] = [await ours.process.stats(), await envoy.process.stats()];
  const whole = /\.lb_(?:healthy_panic|zone_routing_all_directly|zone_no_capacity_left)$/;
  for (const [name, value] of envoyStats)
    if (whole.test(name) && !name.startsWith('cluster.local'))
      // Some of them count draws: five standard deviations of the difference of two samples.
      t.ok(
        Math.abs((oursStats.get(name) ?? 0) - value) <= 5 * Math.sqrt(2 * value) + 1,
        `${name}: ours ${oursStats.get(name) ?? 0}, Envoy ${value}`,
      );
});
