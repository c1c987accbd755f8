// Client-side weighted round robin: hosts that report their load get their share by it, in ours and in the real Envoy (ENVOY_BIN).
// @long
// @timeout 60 s
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';

import { endpoints, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow } from '../support/host-choice.ts';

t.setTimeout(60_000);

type Json = { readonly [key: string]: unknown };

const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const WEIGHTED = 'client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin';
const list = (type: string, settings: Json): Json => ({
  policies: [
    {
      typed_extension_config: {
        name: 'p',
        typed_config: { '@type': `${POLICIES}.${type}`, ...settings },
      },
    },
  ],
});
const AT_ONCE = { blackout_period: '0s', weight_update_period: '0.1s' };
const weighted = (settings: Json = {}): Json => ({
  load_balancing_policy: list(WEIGHTED, { ...AT_ONCE, ...settings }),
});

/** An OrcaLoadReport: cpu_utilization 0.5 (field 1), rps_fractional 400 (field 6), as doubles. */
const binary = (): string => {
  const bytes = Buffer.alloc(18);
  bytes[0] = 0x09;
  bytes.writeDoubleLE(0.5, 1);
  bytes[9] = 0x31;
  bytes.writeDoubleLE(400, 10);
  return bytes.toString('base64');
};

/** By last number of the address. */
const REPORTS: ReadonlyMap<number, Readonly<Record<string, string>>> = new Map([
  [1, { 'endpoint-load-metrics': 'TEXT cpu_utilization=0.5,rps_fractional=100' }],
  [2, { 'endpoint-load-metrics': 'JSON {"cpu_utilization":0.5,"rps_fractional":300}' }],
  [3, { 'endpoint-load-metrics-bin': binary() }],
  [4, { 'endpoint-load-metrics': `BIN ${binary()}` }],
  [5, {}],
  [6, { 'endpoint-load-metrics': 'TEXT cpu_utilization=0.5,rps_fractional=100,eps=50' }],
  [
    7,
    {
      'endpoint-load-metrics':
        'TEXT cpu_utilization=0.9,application_utilization=0.25,rps_fractional=100',
    },
  ],
  [
    8,
    {
      'endpoint-load-metrics':
        'TEXT cpu_utilization=0.9,named_metrics.queue=0.25,rps_fractional=100',
    },
  ],
  [9, { 'endpoint-load-metrics': 'TEXT cpu_utilization=0,rps_fractional=100' }],
  [10, { 'endpoint-load-metrics': 'nonsense' }],
]);

const host = (n: number): Json => endpoints(n, 1)[0]!;
const rows: readonly (readonly [
  what: string,
  hosts: readonly number[],
  percents: readonly number[],
  settings: Json,
])[] = [
  // Requests a second over utilization: 200 and 600.
  ['text and JSON', [1, 2], [25, 75], {}],
  ['protobuf in both headers', [1, 3, 4], [100 / 9, 400 / 9, 400 / 9], {}],
  [
    'who says nothing counts as the median',
    [1, 2, 3, 5],
    [200, 600, 800, 600].map((x) => x / 22),
    {},
  ],
  ['errors cost', [1, 6], [200, 100].map((x) => x / 3), { error_utilization_penalty: 1 }],
  ['errors cost nothing where that is not said', [1, 6], [50, 50], {}],
  ['the application knows better', [1, 7], [200 / 6, 400 / 6], {}],
  [
    'a named metric',
    [1, 8],
    [200 / 6, 400 / 6],
    { metric_names_for_computing_utilization: ['named_metrics.queue'] },
  ],
  ['nothing to go by', [9, 10], [50, 50], {}],
  ['too young to count', [1, 2], [50, 50], { blackout_period: '60s' }],
];

t.test('load reports', async (t) => {
  const choices: ChoiceRow[] = rows.map(([, hosts, , settings], i) => ({
    id: `row${i}`,
    cluster: weighted(settings),
    endpoints: [locality(hosts.map(host))],
  }));
  const zone = (n: number, weight: number): Json =>
    locality(endpoints(n, 1), { locality: { zone: `z${n}` }, load_balancing_weight: weight });
  choices.push({
    id: 'zones',
    cluster: {
      load_balancing_policy: list('wrr_locality.v3.WrrLocality', {
        endpoint_picking_policy: list(WEIGHTED, AT_ONCE),
      }),
    },
    endpoints: [zone(1, 1), zone(2, 4)],
  });
  const { ours, envoy } = await startChoice(t, choices, {
    headersOf: (address) => REPORTS.get(Number(address.split('.').at(-1))) ?? {},
  });
  const proxies =
    envoy === undefined
      ? ([['ours', ours]] as const)
      : ([
          ['ours', ours],
          ['Envoy', envoy],
        ] as const);
  const ask = (count: number): string[] => Array.from({ length: count }, () => '');
  for (const { id } of choices) for (const [, proxy] of proxies) await proxy.choose(id, ask(40));
  await wait(1500);
  for (const [i, [what, hosts, percents]] of [
    ...rows,
    ['weights of localities', [1, 2], [20, 80], {}] as const,
  ].entries()) {
    for (const [who, proxy] of proxies) {
      // What was weighed before the update is taken up one turn later.
      await proxy.choose(choices[i]!.id, ask(200));
      const chosen = await proxy.choose(choices[i]!.id, ask(800));
      const shares = hosts.map(
        (n) => chosen.filter((address) => address.endsWith(`.${n}`)).length / 8,
      );
      const close = shares.every((share, at) => Math.abs(share - percents[at]!) < 2);
      t.ok(close, `${who}: ${what}: ${shares.join(' ')}, expected ${percents.join(' ')}`);
    }
  }
});
