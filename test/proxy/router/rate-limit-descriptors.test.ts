// [w] What descriptors each action gives; the answers are those of Envoy 1.40.
import t from 'tap';
import { routeDescriptors } from '../../../proxy/router/rate-limit-descriptors.ts';
import type { VirtualHostRateLimits } from '../../../proxy/router/rate-limit-descriptors.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import { ScriptedClient } from '../../support/router-harness.ts';
import { request, streamInfo } from '../../support/route-samples.ts';
import { problemsOf, routes } from '../xds/decoding.ts';
import type { Json } from '../xds/decoding.ts';

type Lines = readonly (readonly [string, string])[];

interface Setting {
  readonly actions: readonly Json[];
  readonly lines?: Lines;
  readonly remoteIp?: string;
  readonly metadata?: Json;
  readonly dynamic?: readonly [namespace: string, key: string, value: string | number];
}

const table = (route: Json, host: Json = {}): Json => ({
  name: 'r',
  virtual_hosts: [
    { name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }], ...host },
  ],
});

function descriptorsOf(
  json: Json,
  setting: Omit<Setting, 'actions'>,
  virtualHost: VirtualHostRateLimits,
  stage = 0,
) {
  const compiled = new CompiledRouteTable(routes(json));
  const headers = request(setting.lines);
  const info = streamInfo();
  if (setting.remoteIp !== undefined) info.remoteIp = setting.remoteIp;
  if (setting.dynamic !== undefined) info.metadataForWriting().set(...setting.dynamic);
  const client = new ScriptedClient(headers, compiled.route(headers, info), info);
  const scope = { stage, takesDisableKey: () => false, virtualHost, serviceCluster: 'me' };
  return routeDescriptors(client, scope).map(({ entries }) =>
    entries.map(({ key, value }) => `${key}=${value}`).join(' '),
  );
}

const descriptors = (setting: Setting): readonly string[] =>
  descriptorsOf(
    table({
      route: { cluster: 'c', rate_limits: [{ actions: setting.actions }] },
      metadata: setting.metadata ?? {},
    }),
    setting,
    'OVERRIDE',
  );

const generic = (value: string): Json => ({ generic_key: { descriptor_value: value } });
const metadataAction = (changes: Json = {}): Json => ({
  metadata: {
    descriptor_key: 'k',
    metadata_key: { key: 'n', path: [{ key: 'a' }] },
    ...changes,
  },
});
const header = (changes: Json = {}): Json => ({
  request_headers: { header_name: 'X-A', descriptor_key: 'k', ...changes },
});
const query = (changes: Json = {}): Json => ({
  query_parameters: { query_parameter_name: 'a b', descriptor_key: 'k', ...changes },
});
const queryMatch = (query_parameters: readonly Json[]): Json => ({
  query_parameter_value_match: { descriptor_value: 'x', query_parameters },
});
const within = (prefix: string, length: number, invert_match = false): Json => ({
  remote_address_match: {
    descriptor_value: 'x',
    address_matcher: { ranges: [{ address_prefix: prefix, prefix_len: length }], invert_match },
  },
});
const masked: Json = { masked_remote_address: { v4_prefix_mask_len: 17, v6_prefix_mask_len: 50 } };

const path = (target: string): Lines => [[':path', target]];

const rows: readonly (readonly [what: string, setting: Setting, expected: readonly string[]])[] = [
  [
    'clusters',
    { actions: [{ source_cluster: {} }, { destination_cluster: {} }] },
    ['source_cluster=me destination_cluster=c'],
  ],
  ['a generic key', { actions: [generic('x')] }, ['generic_key=x']],
  [
    'a format in a generic key is plain text',
    { actions: [generic('%REQ(a)%')] },
    ['generic_key=%REQ(a)%'],
  ],
  ['a header', { actions: [header()], lines: [['x-a', 'v']] }, ['k=v']],
  [
    'the first of two header lines',
    {
      actions: [header()],
      lines: [
        ['x-a', 'v'],
        ['x-a', 'w'],
      ],
    },
    ['k=v'],
  ],
  ['an empty header', { actions: [header()], lines: [['x-a', '']] }, ['k=']],
  [
    'the path with its query',
    { actions: [header({ header_name: ':path' })], lines: path('/p?q') },
    ['k=/p?q'],
  ],
  ['the host', { actions: [header({ header_name: 'host' })] }, ['k=host']],
  ['no header, no descriptor', { actions: [header(), generic('x')] }, []],
  [
    'a header that may be absent',
    { actions: [header({ skip_if_absent: true }), generic('x')] },
    ['generic_key=x'],
  ],
  ['a descriptor without entries', { actions: [header({ skip_if_absent: true })] }, ['']],
  [
    'a query parameter, decoded',
    { actions: [query()], lines: path('/?x=1&a%20b=v%2fw+%zz') },
    ['k=v/w+%zz'],
  ],
  [
    'the first of two query parameters',
    { actions: [query()], lines: path('/?a%20b=v&a%20b=w') },
    ['k=v'],
  ],
  ['a bare query parameter', { actions: [query()], lines: path('/?a%20b') }, ['k=']],
  ['no query parameter', { actions: [query()], lines: path('/?a=v') }, []],
  [
    'a query match, decoded',
    {
      actions: [queryMatch([{ name: 'a', string_match: { exact: 'v w' } }])],
      lines: path('/?a=v%20w'),
    },
    ['query_match=x'],
  ],
  [
    'a query match that fails',
    {
      actions: [queryMatch([{ name: 'a', string_match: { exact: 'v w' } }])],
      lines: path('/?a=v+w'),
    },
    [],
  ],
  [
    'a query parameter that is present',
    { actions: [queryMatch([{ name: 'a', present_match: true }])], lines: path('/?a') },
    ['query_match=x'],
  ],
  [
    'the remote address',
    { actions: [{ remote_address: {} }], remoteIp: '10.1.2.3' },
    ['remote_address=10.1.2.3'],
  ],
  ['no remote address', { actions: [{ remote_address: {} }], remoteIp: '' }, []],
  [
    'a masked IPv4 address',
    { actions: [masked], remoteIp: '10.1.255.3' },
    ['masked_remote_address=10.1.128.0/17'],
  ],
  [
    'a masked IPv6 address',
    { actions: [masked], remoteIp: '2001:db8:1:ffff:1::1' },
    ['masked_remote_address=2001:db8:1:c000::/50'],
  ],
  [
    'a whole IPv6 address',
    { actions: [{ masked_remote_address: {} }], remoteIp: '2001:db8::1:0:0:1' },
    ['masked_remote_address=2001:db8::1:0:0:1/128'],
  ],
  [
    'an address in a range',
    { actions: [within('10.0.0.0', 8)], remoteIp: '10.1.2.3' },
    ['remote_address_match=x'],
  ],
  ['an address out of a range', { actions: [within('10.0.0.0', 8)], remoteIp: '11.1.2.3' }, []],
  [
    'an address out of a range, inverted',
    { actions: [within('10.0.0.0', 8, true)], remoteIp: '11.1.2.3' },
    ['remote_address_match=x'],
  ],
  ['dynamic metadata', { actions: [metadataAction()], dynamic: ['n', 'a', 'v'] }, ['k=v']],
  [
    'dynamic metadata that is no text',
    { actions: [metadataAction({ default_value: 'd' })], dynamic: ['n', 'a', 1] },
    ['k=d'],
  ],
  ['no dynamic metadata', { actions: [metadataAction(), generic('x')] }, []],
  [
    'dynamic metadata that may be absent',
    { actions: [metadataAction({ skip_if_absent: true }), generic('x')] },
    ['generic_key=x'],
  ],
  [
    'metadata of the route',
    {
      actions: [metadataAction({ source: 'ROUTE_ENTRY' })],
      metadata: { filter_metadata: { n: { a: 'v' } } },
    },
    ['k=v'],
  ],
  [
    'what every object inherits is no metadata',
    {
      actions: [
        metadataAction({
          source: 'ROUTE_ENTRY',
          metadata_key: { key: 'n', path: [{ key: 'constructor' }, { key: 'name' }] },
        }),
      ],
      metadata: { filter_metadata: { n: { a: 'v' } } },
    },
    [],
  ],
];

const headerMatch = (expect_match: boolean): Json => ({
  header_value_match: {
    descriptor_value: 'x',
    expect_match,
    headers: [{ name: 'x-a', string_match: { exact: 'v' } }],
  },
});

const levels: readonly (readonly [
  what: string,
  mode: VirtualHostRateLimits,
  route: Json,
  expected: readonly string[],
])[] = [
  [
    'the route overrides its virtual host',
    'OVERRIDE',
    { rate_limits: [{ actions: [generic('r')] }] },
    ['generic_key=r'],
  ],
  ['a route that says nothing leaves it to its virtual host', 'OVERRIDE', {}, ['generic_key=h']],
  [
    'both',
    'INCLUDE',
    { rate_limits: [{ actions: [generic('r')] }] },
    ['generic_key=r', 'generic_key=h'],
  ],
  [
    'both, because the route wants it',
    'OVERRIDE',
    { include_vh_rate_limits: true, rate_limits: [{ actions: [generic('r')] }] },
    ['generic_key=r', 'generic_key=h'],
  ],
  ['the virtual host is ignored', 'IGNORE', {}, []],
  ['another stage', 'IGNORE', { rate_limits: [{ stage: 1, actions: [generic('r')] }] }, []],
  [
    'a runtime key could switch it off',
    'IGNORE',
    { rate_limits: [{ disable_key: 'off', actions: [generic('r')] }] },
    [],
  ],
];

t.test('rate limit descriptors', async (t) => {
  for (const [what, setting, expected] of rows) t.same(descriptors(setting), expected, what);
  t.same(descriptors({ actions: [headerMatch(true)], lines: [['x-a', 'v']] }), ['header_match=x']);
  t.same(descriptors({ actions: [headerMatch(true)] }), []);
  t.same(descriptors({ actions: [headerMatch(false)] }), ['header_match=x'], 'expects no match');
});

t.test('rate limit descriptors of route and virtual host', async (t) => {
  for (const [what, mode, route, expected] of levels) {
    const host = { rate_limits: [{ actions: [generic('h')] }] };
    t.same(
      descriptorsOf(table({ route: { cluster: 'c', ...route } }, host), {}, mode),
      expected,
      what,
    );
  }
  const direct = table(
    { direct_response: { status: 200 } },
    { rate_limits: [{ actions: [generic('h')] }] },
  );
  t.same(descriptorsOf(direct, {}, 'INCLUDE'), [], 'a route that does not forward has none');
});

const PLACE = 'virtual_hosts[0].routes[0].route.rate_limits[0]';
const mistakes: readonly (readonly [what: string, rateLimit: Json, problems: readonly string[]])[] =
  [
    ['no actions', {}, [`${PLACE}.actions: at least one is required`]],
    ['an empty action', { actions: [{}] }, [`${PLACE}.actions[0]: one of the actions is required`]],
    [
      'a stage beyond 10',
      { stage: 11, actions: [generic('x')] },
      [`${PLACE}.stage: must be between 0 and 10, is 11`],
    ],
    [
      'a generic key without value',
      { actions: [{ generic_key: {} }] },
      [`${PLACE}.actions[0].generic_key.descriptor_value: is required`],
    ],
    [
      'metadata without path',
      { actions: [metadataAction({ metadata_key: { key: 'n' } })] },
      [`${PLACE}.actions[0].metadata.metadata_key.path: at least one is required`],
    ],
    [
      'hits by format',
      { hits_addend: { format: '%REQ(a)%' }, actions: [generic('x')] },
      [`${PLACE}.hits_addend.format: is not supported by this version`],
    ],
  ];

t.test('rate limits that are refused', async (t) => {
  for (const [what, rateLimit, problems] of mistakes) {
    const json = table({ route: { cluster: 'c', rate_limits: [rateLimit] } });
    t.same(
      problemsOf(() => routes(json)),
      problems,
      what,
    );
  }
});
