// EDS: ours and the real Envoy get the same assignments, one after the other; hosts in /clusters, the counters of the cluster and of the
// cluster manager must be the same after each. Without Envoy (ENVOY_BIN) ours alone runs, and what `hosts` says is asserted.
// @long
import t from 'tap';

import { DeltaControlPlane, adsBootstrap, edsCluster } from '../support/delta-control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyProcess, envoyBinary, httpListener, toCluster } from '../support/proxy-process.ts';
import { ask } from '../support/test-http.ts';

type Json = { readonly [key: string]: unknown };

t.setTimeout(120_000);

const endpoint = (ip: string, more: Json = {}): Json => ({
  endpoint: { address: { socket_address: { address: ip, port_value: 80 } } },
  ...more,
});
const assignment = (...endpoints: readonly Json[]): Json => ({
  cluster_name: 'c',
  endpoints: endpoints.length === 0 ? [] : [{ lb_endpoints: endpoints }],
});

interface Step {
  readonly what: string;
  readonly put?: Json;
  readonly cluster?: Json;
  readonly remove?: true;
  /** Addresses, in any order, and their health flags. */
  readonly hosts: readonly string[];
  readonly nack?: RegExp;
  /** Counters that are not compared, and why. */
  readonly uncounted?: RegExp;
}

const MAX = 4_294_967_295;
/** Envoy counts a refusal once or twice as an attempt, by the place that refuses. */
const ATTEMPTS = /update_attempt/;
/** Envoy subscribes anew, and the server sends what we hold: we go on with that at once. */
const RESUBSCRIPTION = /update_(attempt|success|no_rebuild)/;

const steps: readonly Step[] = [
  {
    what: 'two hosts',
    put: assignment(endpoint('10.0.0.1'), endpoint('10.0.0.2')),
    hosts: ['1', '2'],
  },
  {
    what: 'the same again',
    put: assignment(endpoint('10.0.0.1'), endpoint('10.0.0.2')),
    hosts: ['1', '2'],
  },
  {
    what: 'another order',
    put: assignment(endpoint('10.0.0.2'), endpoint('10.0.0.1')),
    hosts: ['1', '2'],
  },
  {
    what: 'one more, twice',
    put: assignment(
      endpoint('10.0.0.1'),
      endpoint('10.0.0.2'),
      endpoint('10.0.0.3'),
      endpoint('10.0.0.3', { load_balancing_weight: 7 }),
    ),
    hosts: ['1', '2', '3'],
  },
  {
    what: 'another weight',
    put: assignment(endpoint('10.0.0.1', { load_balancing_weight: 5 }), endpoint('10.0.0.2')),
    hosts: ['1 w5', '2'],
  },
  {
    what: 'health',
    put: assignment(
      endpoint('10.0.0.1', { health_status: 'UNHEALTHY' }),
      endpoint('10.0.0.2', { health_status: 'DEGRADED' }),
      endpoint('10.0.0.3', { health_status: 'DRAINING' }),
      endpoint('10.0.0.4', { health_status: 'TIMEOUT' }),
    ),
    hosts: [
      '1 /failed_eds_health',
      '2 /degraded_eds_health',
      '3 /eds_status_draining',
      '4 /failed_eds_health',
    ],
  },
  {
    what: 'metadata',
    put: assignment(
      endpoint('10.0.0.1', { metadata: { filter_metadata: { 'envoy.lb': { canary: true } } } }),
    ),
    hosts: ['1'],
  },
  {
    what: 'other metadata',
    put: assignment(endpoint('10.0.0.1', { metadata: { filter_metadata: { x: { a: 'b' } } } })),
    hosts: ['1'],
  },
  { what: 'no endpoints', put: assignment(), hosts: [] },
  {
    what: 'an empty locality',
    put: { cluster_name: 'c', endpoints: [{ locality: { zone: 'z' } }] },
    hosts: [],
  },
  {
    what: 'a gap between priorities',
    put: { cluster_name: 'c', endpoints: [{ priority: 3, lb_endpoints: [endpoint('10.0.0.1')] }] },
    hosts: ['1 p3'],
  },
  {
    what: 'the same address in two localities',
    put: {
      cluster_name: 'c',
      endpoints: [
        { locality: { zone: 'a' }, lb_endpoints: [endpoint('10.0.0.1')] },
        { locality: { zone: 'b' }, lb_endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] },
      ],
    },
    hosts: ['1 za', '2 zb'],
  },
  {
    what: 'the same address in two priorities',
    put: {
      cluster_name: 'c',
      endpoints: [
        { priority: 1, lb_endpoints: [endpoint('10.0.0.1')] },
        { priority: 0, lb_endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] },
      ],
    },
    hosts: ['1 p1', '2'],
  },
  {
    what: 'a weight of zero',
    put: assignment(endpoint('10.0.0.1', { load_balancing_weight: 0 })),
    hosts: ['1 p1', '2'],
    nack: /weight/i,
    uncounted: ATTEMPTS,
  },
  {
    what: 'weights beyond 2^32',
    put: assignment(
      endpoint('10.0.0.1', { load_balancing_weight: MAX }),
      endpoint('10.0.0.2', { load_balancing_weight: MAX }),
    ),
    hosts: ['1 w4294967295', '2 w4294967295'],
  },
  {
    what: 'a host name',
    put: assignment({
      endpoint: { address: { socket_address: { address: 'a.test', port_value: 1 } } },
    }),
    hosts: ['1 w4294967295', '2 w4294967295'],
    nack: /malformed IP address/,
    uncounted: ATTEMPTS,
  },
  {
    what: 'a port of zero',
    put: assignment({
      endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 0 } } },
    }),
    hosts: ['10.0.0.1:0'],
  },
  {
    what: 'a pipe',
    put: assignment({ endpoint: { address: { pipe: { path: '/tmp/x' } } } }),
    hosts: ['/tmp/x'],
  },
  {
    what: 'a pipe without path',
    put: assignment({ endpoint: { address: { pipe: {} } } }),
    hosts: ['/tmp/x'],
    nack: /path/i,
    uncounted: ATTEMPTS,
  },
  {
    what: 'an endpoint by name',
    put: {
      cluster_name: 'c',
      named_endpoints: {},
      endpoints: [{ lb_endpoints: [{ endpoint_name: 'n' }] }],
    },
    hosts: ['/tmp/x'],
    nack: /./,
    uncounted: ATTEMPTS,
  },
  {
    what: 'a drop of 200 percent',
    put: {
      cluster_name: 'c',
      policy: { drop_overloads: [{ category: 'x', drop_percentage: { numerator: 200 } }] },
    },
    hosts: ['/tmp/x'],
    nack: /drop/,
    uncounted: ATTEMPTS,
  },
  { what: 'good again', put: assignment(endpoint('10.0.0.1')), hosts: ['1'] },
  {
    what: 'another cluster configuration',
    cluster: { connect_timeout: '2s' },
    uncounted: RESUBSCRIPTION,
    put: assignment(endpoint('10.0.0.1')),
    hosts: ['1'],
  },
  // Envoy forgets its counters; ours stay, as the sum of what workers have said.
  { what: 'the cluster leaves', remove: true, hosts: [], uncounted: /^cluster\./ },
];

const COUNTED =
  /^cluster\.c\.(update_(attempt|success|failure|rejected|empty|no_rebuild)|membership_\w+|version|assignment_\w+|init_fetch_timeout|warming_state)$|^cluster_manager\.(cluster_\w+|active_clusters|warming_clusters)$/;

interface Teardowns {
  teardown(fn: () => void | Promise<void>): void;
}

interface Seen {
  readonly hosts: readonly string[];
  readonly stats: ReadonlyMap<string, number>;
  readonly answer: string;
}

async function look(proxy: ProxyProcess): Promise<Omit<Seen, 'answer'>> {
  const text = (await ask(proxy.adminPort, 'GET', '/clusters')).body;
  const facts = new Map<string, Map<string, string>>();
  for (const line of text.split('\n')) {
    const [name, host = '', key = '', value] = line.split('::');
    if (name !== 'c' || value === undefined || host.endsWith('_priority')) continue;
    const of = facts.get(host) ?? new Map<string, string>();
    facts.set(host, of.set(key, value));
  }
  const hosts = [...facts].map(([host, of]) => {
    const short = host.replace(/^10\.0\.0\.(\d):80$/, '$1');
    const part = (key: string, prefix: string, usual: string): string =>
      of.get(key) === usual ? '' : ` ${prefix}${of.get(key) ?? '?'}`;
    return (
      short +
      part('weight', 'w', '1') +
      part('priority', 'p', '0') +
      part('zone', 'z', '') +
      part('health_flags', '', 'healthy')
    );
  });
  const stats = [...(await proxy.stats())].filter(([name]) => COUNTED.test(name));
  return { hosts: hosts.sort(), stats: new Map(stats) };
}

/** Gives the nonce of what was sent last. */
function change(plane: DeltaControlPlane, step: Step): string {
  if (step.remove === true) return plane.remove('clusters', 'c');
  // As istiod, whose endpoints follow a changed cluster: Envoy answers for neither until the cluster has warmed.
  if (step.cluster !== undefined) plane.put('clusters', edsCluster('c', step.cluster));
  return plane.put('endpoints', { name: 'c', json: step.put! });
}

async function play(t: Teardowns, binary: string | undefined): Promise<Seen[]> {
  const plane = new DeltaControlPlane();
  const port = await plane.listen();
  t.teardown(() => plane.close());
  plane.put('clusters', edsCluster('c'));
  plane.put('endpoints', { name: 'c', json: steps[0]!.put! });
  const listeners = [httpListener('main', [toCluster('c')])];
  const proxy = await ProxyProcess.start(t, adsBootstrap(port, listeners), binary);
  const seen: Seen[] = [];
  for (const [index, step] of steps.entries()) {
    let answer = 'ACK';
    if (index > 0) {
      const nonce = change(plane, step);
      await eventually(`an answer to ${step.what}`, () => plane.answers.has(nonce));
      answer = plane.answers.get(nonce)!;
    }
    // Hosts are shown before the answer; what Envoy posts to itself takes a moment more.
    await new Promise((done) => setTimeout(done, 60));
    seen.push({ ...(await look(proxy)), answer });
  }
  return seen;
}

/** What stats did in a step, those at zero before and after included. */
function moved(all: readonly Seen[], index: number, uncounted = /^$/): readonly string[] {
  const { stats } = all[index]!;
  const before = index === 0 ? undefined : all[index - 1]!.stats;
  return [...stats]
    .filter(([name]) => !uncounted.test(name))
    .map(([name, value]) =>
      name.endsWith('version')
        ? `${name} ${value}`
        : `${name} +${value - (before?.get(name) ?? 0)}`,
    )
    .sort();
}

t.test('EDS beside Envoy', async (t) => {
  const [ours, theirs] = await Promise.all([
    play(t, undefined),
    envoyBinary === undefined ? undefined : play(t, envoyBinary),
  ]);
  for (const [index, step] of steps.entries()) {
    const seen = ours[index]!;
    t.strictSame(seen.hosts, [...step.hosts].sort(), `${step.what}: hosts`);
    if (step.nack === undefined) t.equal(seen.answer, 'ACK', `${step.what}: taken`);
    else t.match(seen.answer, step.nack, `${step.what}: refused`);
    if (theirs === undefined) continue;
    const envoy = theirs[index]!;
    t.strictSame(seen.hosts, envoy.hosts, `${step.what}: hosts as Envoy`);
    t.strictSame(
      moved(ours, index, step.uncounted),
      moved(theirs, index, step.uncounted),
      `${step.what}: counters as Envoy`,
    );
    t.equal(seen.answer === 'ACK', envoy.answer === 'ACK', `${step.what}: ${envoy.answer}`);
  }
});
