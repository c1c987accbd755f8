// The override_host policy: requests that name their host, in ours and in the real Envoy (ENVOY_BIN).
// @timeout 60 s
import t from 'tap';

import { endpoints, hostAddress, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow } from '../support/host-choice.ts';

t.setTimeout(60_000);

type Json = { readonly [key: string]: unknown };

const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
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

const row: ChoiceRow = {
  id: 'row',
  cluster: {
    load_balancing_policy: list('override_host.v3.OverrideHost', {
      override_host_sources: [
        { metadata: { key: 'dest', path: [{ key: 'a' }] } },
        { header: 'x-dest' },
      ],
      fallback_policy: list('round_robin.v3.RoundRobin'),
    }),
  },
  endpoints: [
    locality([
      ...endpoints(1, 3),
      ...endpoints(4, 1, () => ({ health: 'UNHEALTHY' })),
      ...endpoints(5, 1, () => ({ health: 'DEGRADED' })),
    ]),
    locality(endpoints(11, 2), { priority: 1 }),
  ],
  action: {
    retry_policy: {
      retry_on: '5xx',
      num_retries: 3,
      retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
    },
  },
};
const headerToMetadata = {
  name: 'envoy.filters.http.header_to_metadata',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config',
    request_rules: [
      { header: 'x-meta', on_header_present: { metadata_namespace: 'dest', key: 'a' } },
    ],
  },
};

/** `<n>` is the address of host n. Hosts that answer last; '': the policy inside chooses. */
const rows: readonly (readonly [what: string, head: string, host: string])[] = [
  ['a host', 'x-dest: <2>', '2'],
  ['a sick host', 'x-dest: <4>', '4'],
  ['a degraded host', 'x-dest: <5>', '5'],
  ['a host of another priority', 'x-dest: <12>', '12'],
  ['no host of the cluster', 'x-dest: <99>', ''],
  ['none, then one', 'x-dest: <99>,<2>', '2'],
  ['blanks', 'x-dest: <99> , <2> ', '2'],
  ['no address', 'x-dest: here', ''],
  ['no address, then one', 'x-dest: here,<2>', '2'],
  ['nothing', 'x-dest: ', ''],
  ['two headers: the first', 'x-dest: <2>\r\nx-dest: <3>', '2'],
  ['metadata', 'x-meta: <3>', '3'],
  ['metadata before the header', 'x-meta: <3>\r\nx-dest: <2>', '3'],
  ['the header where metadata names none', 'x-meta: <99>\r\nx-dest: <2>', '2'],
  ['each retry goes on in the list', 'x-fail: 1\r\nx-dest: <1>,<2>,<3>,<12>', '12'],
  ['retries pass over what is none', 'x-fail: 1\r\nx-dest: <99>,<12>,<98>,<11>,<4>,<5>', '5'],
  ['after the list the policy inside chooses', 'x-fail: 1\r\nx-dest: <12>,<11>', ''],
];

t.test('requests name their host', async (t) => {
  const { ours, envoy, port } = await startChoice(t, [row], { httpFilters: [headerToMetadata] });
  for (const [what, head, host] of rows) {
    const text = head.replace(/<(\d+)>/g, (_, n: string) => `${hostAddress(Number(n))}:${port}`);
    for (const [who, proxy] of [
      ['ours', ours],
      ['Envoy', envoy],
    ] as const) {
      if (proxy === undefined) continue;
      const chosen = await proxy.choose(
        'row',
        Array.from({ length: 30 }, () => text),
      );
      const numbers = [...new Set(chosen.map((address) => address.split('.').at(-1)))];
      if (host === '') t.ok(numbers.length > 1, `${who}: ${what}`);
      else t.same(numbers, [host], `${who}: ${what}`);
    }
  }
});
