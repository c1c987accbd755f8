// What two assignments differ in: hosts, their facts, places and weights, by rows; and that the parts put together give the whole.
import t from 'tap';
import type {
  ClusterEndpointsConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../../../proxy/config/endpoint-config.ts';
import {
  changesOf,
  diffEndpoints,
  withoutDuplicates,
} from '../../../proxy/upstream/endpoint-diff.ts';
import { sampleEndpoint, sampleEndpoints, sampleLocality } from '../../support/config-samples.ts';

const host = (n: number, changes: Partial<EndpointConfig> = {}): EndpointConfig =>
  sampleEndpoint(`10.0.0.${n}`, 80, changes);
const locality = (
  endpoints: readonly EndpointConfig[],
  changes: Partial<LocalityEndpointsConfig> = {},
): LocalityEndpointsConfig => ({ ...sampleLocality(endpoints), ...changes });
const all = (
  localities: readonly LocalityEndpointsConfig[],
  changes: Partial<ClusterEndpointsConfig> = {},
): ClusterEndpointsConfig => ({ ...sampleEndpoints('c', []), localities, ...changes });

interface Row {
  readonly what: string;
  readonly before: ClusterEndpointsConfig;
  readonly after: ClusterEndpointsConfig;
  readonly put?: readonly string[];
  readonly removed?: readonly string[];
  readonly changes?: number;
  readonly same?: boolean;
}

const two = all([locality([host(1), host(2)])]);
const rows: readonly Row[] = [
  { what: 'nothing', before: two, after: all([locality([host(1), host(2)])]), same: true },
  { what: 'the order', before: two, after: all([locality([host(2), host(1)])]), same: true },
  {
    what: 'one host more',
    before: two,
    after: all([locality([host(1), host(2), host(3)])]),
    put: ['10.0.0.3'],
    changes: 1,
  },
  {
    what: 'one host less',
    before: two,
    after: all([locality([host(2)])]),
    removed: ['10.0.0.1:80'],
    changes: 1,
  },
  {
    what: 'a weight',
    before: two,
    after: all([locality([host(1, { weight: 5 }), host(2)])]),
    put: ['10.0.0.1'],
  },
  {
    what: 'health',
    before: two,
    after: all([locality([host(1), host(2, { health: 'UNHEALTHY' })])]),
    put: ['10.0.0.2'],
  },
  {
    what: 'a word of EDS',
    before: two,
    after: all([locality([host(1), host(2, { edsStatus: 'DRAINING' })])]),
    put: ['10.0.0.2'],
  },
  {
    what: 'metadata',
    before: two,
    after: all([locality([host(1, { metadata: new Map([['a', '{}']]) }), host(2)])]),
    put: ['10.0.0.1'],
  },
  {
    what: 'metadata of equal content',
    before: all([locality([host(1, { metadata: new Map([['a', '{}']]) })])]),
    after: all([locality([host(1, { metadata: new Map([['a', '{}']]) })])]),
    same: true,
  },
  {
    what: 'further addresses',
    before: two,
    after: all([
      locality([
        host(1, { additionalAddresses: [{ kind: 'ip', address: '::1', port: 80 }] }),
        host(2),
      ]),
    ]),
    put: ['10.0.0.1'],
  },
  {
    what: 'a zone',
    before: all([locality([host(1)], { zone: 'a' })]),
    after: all([locality([host(1)], { zone: 'b' })]),
    put: ['10.0.0.1'],
  },
  {
    what: 'a priority',
    before: two,
    after: all([locality([host(1)]), locality([host(2)], { priority: 1 })]),
    put: ['10.0.0.2'],
    changes: 2,
  },
  {
    what: 'the weight of a locality alone',
    before: all([locality([host(1)], { weight: 1 })]),
    after: all([locality([host(1)], { weight: 2 })]),
    put: [''],
  },
  {
    what: 'overprovisioning',
    before: two,
    after: { ...two, overprovisioningPercent: 100 },
  },
  {
    what: 'drops',
    before: two,
    after: { ...two, dropOverloads: [{ numerator: 1, denominator: 100 }] },
  },
  {
    what: 'everything',
    before: two,
    after: all([]),
    removed: ['10.0.0.1:80', '10.0.0.2:80'],
    changes: 1,
  },
];

const addresses = (endpoints: readonly EndpointConfig[]): string =>
  endpoints.map(({ address }) => (address.kind === 'ip' ? address.address : '')).join(' ');

t.test('diffEndpoints', (t) => {
  for (const { what, before, after, put = [], removed = [], changes = 0, same = false } of rows) {
    t.test(what, (t) => {
      const diff = diffEndpoints(before, after);
      t.equal(diff.same, same);
      t.same(
        diff.put.map(({ endpoints }) => addresses(endpoints)),
        put,
      );
      t.same(diff.removed, removed);
      t.equal(diff.membershipChanges, changes);
      t.notOk('localities' in changesOf(after, diff));
      t.end();
    });
  }

  t.test('everything is new where nothing was', (t) => {
    const diff = diffEndpoints(undefined, all([]));
    t.notOk(diff.same);
    t.equal(diffEndpoints(undefined, two).membershipChanges, 1);
    t.end();
  });

  t.test('takes the first of the same address, wherever it stands', (t) => {
    const localities = [
      locality([host(1), host(1, { weight: 7 }), host(2)]),
      locality([host(2), host(3)], { priority: 1 }),
    ];
    t.same(
      withoutDuplicates(localities).map(({ endpoints }) => addresses(endpoints)),
      ['10.0.0.1 10.0.0.2', '10.0.0.3'],
    );
    t.equal(withoutDuplicates(two.localities), two.localities);
    t.end();
  });
  t.end();
});
