// Scoped routes: which table a request goes by, with scopes that are listed and scopes that come by SRDS; what changes, conflicts and
// removals mean; ours beside Envoy where there is one.
// @long
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { bootstrapOf, envoyBinary, httpListener, ProxyProcess } from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { ask } from '../support/test-http.ts';
import { adsConfig, byAds, ownStream, xdsCluster } from '../support/xds-bootstrap.ts';
import type { GrpcMode } from '../support/xds-bootstrap.ts';

t.setTimeout(120_000);

const tableOf = (name: string): Json => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: { prefix: '/' },
          direct_response: { status: 200, body: { inline_string: name } },
        },
      ],
    },
  ],
});

const scope = (name: string, table: string, ...key: readonly string[]): Json => ({
  name,
  route_configuration_name: table,
  key: { fragments: key.map((part) => ({ string_key: part })) },
});

const KEYS = {
  fragments: [
    {
      header_value_extractor: {
        name: 'X-Scope',
        element_separator: ';',
        element: { key: 'v', separator: '=' },
      },
    },
    { header_value_extractor: { name: 'x-part', element_separator: ',', index: 1 } },
  ],
};

const REQUESTS: readonly (readonly [scope: string, part: string])[] = [
  ['v=a', '0,one'],
  ['k=b;v=a', '0,one,2'],
  ['v=b', '0,one'],
  ['v=a', '0,two'],
  ['v=a=b', '0,one'],
  ['v', '0,one'],
  ['v=', '0,one'],
  ['a', '0,one'],
  ['v=a', 'one'],
  ['V=a', '0,one'],
  ['v=c;v=a', '0,one'],
];

async function observe(t: Test, mode: GrpcMode | 'listed', binary?: string): Promise<Json> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  for (const name of ['ta', 'tb']) plane.set('routes', name, tableOf(name));
  const scopes = [scope('sa', 'ta', 'a', 'one'), scope('sb', 'tb', 'b', 'one')];
  plane.set('scopes', 'sa', scopes[0]!);
  plane.set('scopes', 'sb', scopes[1]!);
  const listed = scopes.map(({ route_configuration_name: name, ...more }) => ({
    ...more,
    route_configuration: tableOf(name as string),
  }));
  const source = mode === 'listed' ? byAds() : ownStream(mode);
  const listener = httpListener('l', [], {
    hcm: {
      access_log: [],
      route_config: undefined,
      scoped_routes: {
        name: 'scoped',
        scope_key_builder: KEYS,
        rds_config_source: byAds(),
        ...(mode === 'listed'
          ? { scoped_route_configurations_list: { scoped_route_configurations: listed } }
          : { scoped_rds: { scoped_rds_config_source: source } }),
      },
    },
  });
  const proxy = await ProxyProcess.start(
    t,
    {
      ...bootstrapOf([JSON.parse(JSON.stringify(listener)) as Json], [xdsCluster(plane.port)]),
      dynamic_resources: { ads_config: adsConfig('DELTA_GRPC') },
    },
    binary,
  );
  const see = async (value: string, part: string): Promise<string> => {
    const headers = { 'x-scope': value, 'x-part': part };
    const { status, body } = await ask(proxy.port('l'), 'GET', '/', headers);
    return `${status} ${body}`;
  };
  const all = async (): Promise<Json> => {
    const seen: Record<string, string> = {};
    for (const [value, part] of REQUESTS) seen[`${value} ${part}`] = await see(value, part);
    return seen;
  };
  await eventually('tables', async () => (await see('v=b', '0,one')) === '200 tb');
  const start = await all();
  if (mode === 'listed') return { start };

  plane.set('routes', 'tc', tableOf('tc'));
  plane.put('scopes', 'sc', scope('sc', 'tc', 'a', 'two'));
  await eventually('another scope', async () => (await see('v=a', '0,two')) === '200 tc');
  plane.put('scopes', 'sb', scope('sb', 'tc', 'b', 'one'));
  await eventually('another table', async () => (await see('v=b', '0,one')) === '200 tc');
  const [nonce = ''] = plane.put('scopes', 'sd', scope('sd', 'ta', 'b', 'one'));
  await eventually('an answer', () => plane.answers.has(nonce));
  const refused = plane.answers.get(nonce)!.includes('scope key conflict found');
  const kept = await all();
  plane.remove('scopes', 'sd');
  plane.remove('scopes', 'sa');
  await eventually('it is gone', async () => (await see('v=a', '0,one')).startsWith('404'));
  const dump = await ask(
    proxy.adminPort,
    'GET',
    '/config_dump?resource=dynamic_scoped_route_configs',
  );
  const { configs } = JSON.parse(dump.body) as {
    configs: readonly { name: string; scoped_route_configs: readonly { name: string }[] }[];
  };
  const dumped = configs.map((each) => ({
    name: each.name,
    scopes: each.scoped_route_configs.map(({ name }) => name).toSorted(),
  }));
  return { start, refused, kept, end: await all(), dumped };
}

for (const mode of ['listed', 'DELTA_GRPC', 'GRPC'] as const) {
  t.test(mode, async (t) => {
    const ours = await observe(t, mode);
    t.match(ours, { start: { 'v=a 0,one': '200 ta', 'v=b 0,one': '200 tb', 'v=a one': /^404/ } });
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, mode, envoyBinary), 'as Envoy');
  });
}
