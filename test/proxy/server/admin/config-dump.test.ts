// /config_dump: order and form of its parts, masks, resources, names, secrets.
import t from 'tap';
import { fromJson } from '../../../../xds-protos/proto-json.ts';
import { dispatchAdmin } from '../../../../proxy/server/admin/admin-dispatch.ts';
import { redactSecrets } from '../../../../proxy/server/admin/redaction.ts';
import { adminFixture, dumpEntry, dumpSection } from '../../../support/admin-context.ts';
import type { AdminResponse } from '../../../../proxy/server/admin/admin-endpoint.ts';
import type { JsonObject } from '../../../../xds-protos/well-known-types.ts';

type Dump = { configs?: (JsonObject & { '@type': string })[] };

t.test('/config_dump', async (t) => {
  const { context } = await adminFixture();
  const ask = (query: string): Promise<AdminResponse> =>
    dispatchAdmin(context, { method: 'GET', target: `/config_dump${query}`, form: '' });
  const configs = async (query: string): Promise<NonNullable<Dump['configs']>> =>
    (JSON.parse((await ask(query)).body) as Dump).configs ?? [];
  const typesOf = async (query: string): Promise<string[]> =>
    (await configs(query)).map((config) =>
      config['@type'].replace('type.googleapis.com/envoy.admin.v3.', ''),
    );

  const TYPES = [
    'BootstrapConfigDump',
    'ClustersConfigDump',
    'ListenersConfigDump',
    'ScopedRoutesConfigDump',
  ];
  const LAST = ['RoutesConfigDump', 'SecretsConfigDump'];

  t.test("has Envoy's parts in Envoy's order", async (t) => {
    t.same(await typesOf(''), [...TYPES, ...LAST]);
    const withEds = [...TYPES.slice(0, 2), 'EndpointsConfigDump', ...TYPES.slice(2), ...LAST];
    t.same(await typesOf('?include_eds'), withEds);
  });

  t.test('is a ConfigDump that others can read back', async (t) => {
    const { body, contentType } = await ask('?include_eds');
    t.equal(contentType, 'application/json');
    t.equal(fromJson('envoy.admin.v3.ConfigDump', JSON.parse(body)).configs?.length, 7);
  });

  t.test('prints static, active and warming resources with versions and times', async (t) => {
    const [bootstrap, clusters, listeners, , routes] = await configs('');
    t.equal(bootstrap?.['last_updated'], '2024-01-31T12:34:56.789Z');
    t.match(clusters, {
      version_info: 'v7',
      static_clusters: context.bootstrap.clusters.map(({ name }) => ({ cluster: { name } })),
      dynamic_active_clusters: [
        {
          version_info: 'v7',
          cluster: {
            '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
            name: 'dyn',
            type: 'EDS',
          },
          last_updated: '2024-01-31T12:34:56.789Z',
        },
      ],
    });
    const dynamic = listeners?.['dynamic_listeners'] as JsonObject[] | undefined;
    t.equal(dynamic?.length, 1);
    t.match(dynamic, [
      {
        name: 'virtualOutbound',
        active_state: { version_info: 'v7' },
        warming_state: { listener: { name: 'virtualOutbound' } },
      },
    ]);
    t.match(routes, { dynamic_route_configs: [{ route_config: { name: '9080' } }] });
  });

  t.test('lists route tables of connection managers as static ones', async (t) => {
    const manager = {
      '@type':
        'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      route_config: { name: 'inbound|9080||', virtual_hosts: [{ name: 'v', domains: ['*'] }] },
    };
    const chain = { filters: [{ name: 'other' }, { name: 'manager', typed_config: manager }] };
    const listener = dumpEntry('envoy.config.listener.v3.Listener', 'active', {
      name: 'virtualInbound',
      filter_chains: [chain, {}],
      default_filter_chain: chain,
    });
    const { context: withRoutes } = await adminFixture({
      dumpListeners: () => dumpSection([listener]),
    });
    const staticRoutes = async (query: string): Promise<unknown> => {
      const target = `/config_dump?resource=static_route_configs${query}`;
      const { body } = await dispatchAdmin(withRoutes, { method: 'GET', target, form: '' });
      return (JSON.parse(body) as Dump).configs ?? [];
    };
    const one = {
      route_config: { name: 'inbound|9080||', virtual_hosts: [{ name: 'v' }] },
      last_updated: '2024-01-31T12:34:56.789Z',
    };
    t.match(await staticRoutes(''), [one, one], 'one for each manager, as Envoy does');
    t.same(await staticRoutes('&name_regex=outbound.*'), []);
  });

  t.test('tells of refused updates', async (t) => {
    const raw = dumpEntry('envoy.config.listener.v3.Listener', 'active', { name: 'bad' }).raw;
    const error = { details: 'no address', lastUpdateAttemptMs: 1_000, version: 'v8', raw };
    const refused = await adminFixture({
      dumpListeners: () => ({
        entries: [],
        failures: [{ name: 'bad', errorState: error }],
        versionInfo: '',
      }),
    });
    const { body } = await dispatchAdmin(refused.context, {
      method: 'GET',
      target: '/config_dump?resource=dynamic_listeners',
      form: '',
    });
    t.match(JSON.parse(body), {
      configs: [
        {
          name: 'bad',
          error_state: {
            details: 'no address',
            version_info: 'v8',
            last_update_attempt: '1970-01-01T00:00:01Z',
            failed_configuration: { name: 'bad' },
          },
        },
      ],
    });
  });

  t.test('picks the elements of one field, and fields of them', async (t) => {
    t.same(await configs('?resource=dynamic_active_clusters&mask=cluster.name,version_info'), [
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster',
        cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'dyn' },
        version_info: 'v7',
      },
    ]);
    t.equal((await ask('?resource=static_listeners')).body, '{}\n');
  });

  t.test('picks parts by mask', async (t) => {
    const [only, ...others] = await configs('?mask=bootstrap.node.id');
    t.same(others, []);
    const bootstrap = only?.['bootstrap'] as JsonObject | undefined;
    t.same(Object.keys(bootstrap?.['node'] ?? {}), ['id']);
  });

  t.test('picks resources by name, and always has the bootstrap', async (t) => {
    const named = await configs('?name_regex=dy.');
    t.ok(named[0]?.['bootstrap']);
    t.match(named[1], { dynamic_active_clusters: [{ cluster: { name: 'dyn' } }] });
    t.notOk(named[1]?.['static_clusters']);
    t.notOk(named[2]?.['dynamic_listeners']);
  });

  const mistakes: readonly (readonly [string, number, string])[] = [
    ['?resource=nope', 404, 'nope not found in config dump'],
    [
      '?resource=bootstrap',
      400,
      'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field',
    ],
    ['?mask=nope', 400, 'FieldMask nope could not be successfully applied to any configs.'],
    [
      '?mask=constructor',
      400,
      'FieldMask constructor could not be successfully applied to any configs.',
    ],
    [
      '?resource=dynamic_active_clusters&mask=nope',
      400,
      'FieldMask nope could not be successfully used.',
    ],
    ['?name_regex=(', 400, 'INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): ('],
  ];
  for (const [query, status, body] of mistakes) {
    t.test(`refuses ${query}`, async (t) => t.match(await ask(query), { status, body }));
  }

  t.test('says where inert parts are told of', async (t) => {
    t.match(await ask(''), { headers: { 'x-outrigger-inert': '1; see /outrigger/inert' } });
  });

  t.test('blots out secrets', (t) => {
    const dump: JsonObject = {
      tls_certificates: [
        { certificate_chain: { filename: '/c.pem' }, private_key: { inline_string: 'KEY' } },
        { private_key: { inline_bytes: 'S0VZ' }, password: { filename: '/p' } },
      ],
    };
    redactSecrets(dump);
    t.same(dump, {
      tls_certificates: [
        { certificate_chain: { filename: '/c.pem' }, private_key: { inline_string: '[redacted]' } },
        { private_key: { inline_bytes: 'W3JlZGFjdGVkXQ==' }, password: { filename: '/p' } },
      ],
    });
    t.end();
  });
});
