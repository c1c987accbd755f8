// What an update means to living connections: which chains go on, which get other filters under them, which drain.
import t from 'tap';
import type { HttpConnectionManagerConfig } from '../../../proxy/config/http-connection-manager-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { NetworkFilterConfig } from '../../../proxy/config/network-filter-config.ts';
import { listenerFate, planChains } from '../../../proxy/listener-manager/listener-update.ts';
import { sampleFilterChain, sampleHcm, sampleListener } from '../../support/config-samples.ts';

const hcm = sampleHcm({ kind: 'rds', name: 'r' });
const manager = (changes: Partial<HttpConnectionManagerConfig> = {}): NetworkFilterConfig =>
  hcm.kind === 'http_connection_manager'
    ? { ...hcm, settings: { ...hcm.settings, ...changes } }
    : hcm;
const tcp = { kind: 'echo', name: 'echo' } as const;

let hashes = 0;
function chain(
  filters: readonly NetworkFilterConfig[],
  port?: number,
  changes: Partial<FilterChainConfig> = {},
): FilterChainConfig {
  const sample = sampleFilterChain(filters);
  return {
    ...sample,
    hash: `c${++hashes}`,
    match: { ...sample.match, destinationPort: port },
    ...changes,
  };
}

const listener = (
  filterChains: readonly FilterChainConfig[],
  changes: Partial<ListenerConfig> = {},
): ListenerConfig => sampleListener('l', 1, { filterChains, ...changes });

const summary = (before: ListenerConfig, after: ListenerConfig): string => {
  const { origins, drained } = planChains(before, after);
  const parts = origins.map(({ from, how }) => (from < 0 ? 'new' : `${how} ${from}`));
  return [...parts, ...drained.map((place) => `drain ${place}`)].join(', ');
};

t.test('planChains', (t) => {
  const refuse = { kind: 'refuse', name: 'rbac', typeUrl: '', reason: '' } as const;
  const inert = { kind: 'inert', name: 'stats', typeUrl: '' } as const;
  const gate = { kind: 'sni_cluster', name: 'sni' } as const;
  const tls = { kind: 'tls', settings: { side: 'downstream' } } as never;
  const rows: readonly [
    what: string,
    before: readonly FilterChainConfig[],
    after: readonly FilterChainConfig[],
    plan: string,
  ][] = [
    ['settings of requests', [chain([manager()])], [chain([manager({ via: 'x' })])], 'swap 0'],
    [
      'another table',
      [chain([manager()])],
      [chain([sampleHcm({ kind: 'rds', name: 's' })])],
      'swap 0',
    ],
    ['header limits', [chain([manager()])], [chain([manager({ maxHeadersCount: 7 })])], 'retire 0'],
    ['codec', [chain([manager()])], [chain([manager({ codecType: 'HTTP2' })])], 'retire 0'],
    ['a gate before it', [chain([manager()])], [chain([gate, manager()])], 'retire 0'],
    ['something that does nothing', [chain([manager()])], [chain([inert, manager()])], 'swap 0'],
    ['another protocol', [chain([manager()])], [chain([tcp])], 'new, drain 0'],
    ['a filter that refuses', [chain([manager()])], [chain([refuse, manager()])], 'new, drain 0'],
    ['TLS', [chain([tcp])], [chain([tcp], undefined, { transportSocket: tls })], 'new, drain 0'],
    ['another match', [chain([tcp], 1)], [chain([tcp], 2)], 'new, drain 0'],
    ['its name', [chain([tcp], 1)], [chain([tcp], 1, { name: 'n' })], 'swap 0'],
    [
      'order, one changed, one gone, one new',
      [chain([tcp], 1, { hash: 'a' }), chain([tcp], 2), chain([tcp], 3)],
      [chain([tcp], 4), chain([tcp], 3), chain([tcp], 1, { hash: 'a' })],
      'new, swap 2, keep 0, drain 1',
    ],
    [
      'an unchanged chain before a changed one with its match',
      [chain([tcp], 1, { hash: 'b' }), chain([manager()], 2)],
      [chain([manager()], 1), chain([tcp], 1, { hash: 'b' })],
      'new, keep 0, drain 1',
    ],
  ];
  for (const [what, before, after, plan] of rows)
    t.equal(summary(listener(before), listener(after)), plan, what);

  const chains = [chain([tcp], 1)];
  t.equal(
    summary(listener(chains), listener(chains, { perConnectionBufferLimitBytes: 5 })),
    'swap 0',
    'what all chains are built with',
  );
  t.equal(
    summary(
      listener([], { defaultFilterChain: chain([tcp]) }),
      listener([chain([tcp], 1)], { defaultFilterChain: chain([tcp]) }),
    ),
    'new, swap 0',
    'the default chain',
  );
  t.end();
});

t.test('listenerFate', (t) => {
  const before = listener([]);
  const filter = (kind: 'original_dst' | 'http_inspector') =>
    ({ kind, name: kind, disabled: undefined }) as const;
  const rows: readonly [fate: string, changes: Partial<ListenerConfig>][] = [
    ['in_place', { listenerFilters: [filter('http_inspector')] }],
    ['in_place', { listenerFiltersTimeoutMs: 1 }],
    ['in_place', { metadata: new Map([['a', 'b']]) }],
    ['new_listener', { listenerFilters: [filter('original_dst')] }],
    ['new_listener', { trafficDirection: 'INBOUND' }],
    ['new_listener', { drainType: 'MODIFY_ONLY' }],
    ['new_listener', { statPrefix: 'other' }],
    ['new_listener', { useOriginalDst: !before.useOriginalDst }],
    ['new_listener', { ignoreGlobalLimit: true }],
    ['new_sockets', { address: { kind: 'ip', address: '127.0.0.2', port: 1 } }],
    ['new_sockets', { address: { kind: 'pipe', path: '/p', mode: 0 } }],
    ['new_sockets', { bindToPort: !before.bindToPort }],
    ['new_sockets', { exactBalance: true }],
    ['new_sockets', { singleSocket: true }],
    ['new_sockets', { tcpBacklogSize: 1 }],
    ['new_sockets', { additionalAddresses: [{ kind: 'ip', address: '127.0.0.2', port: 1 }] }],
  ];
  for (const [fate, changes] of rows)
    t.equal(listenerFate(before, { ...before, ...changes }), fate, Object.keys(changes).join());
  t.end();
});
