// Filters whose settings are discovered (ECDS): what traffic sees before they come, when they come, change, are refused and are
// taken back; what is counted and dumped; ours beside Envoy where there is one.
// @long
import t from 'tap';
import type { Test } from 'tap';

import { KeptConnection } from '../support/kept-connection.ts';
import { eventually } from '../support/eventually.ts';
import {
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  ProxyProcess,
} from '../support/proxy-process.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';
import { adsConfig, byAds, ownStream, xdsCluster } from '../support/xds-bootstrap.ts';
import type { GrpcMode } from '../support/xds-bootstrap.ts';

t.setTimeout(170_000);

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const MUTATION = `${TYPES}.http.header_mutation.v3.HeaderMutation`;
const ROUTER = `${TYPES}.http.router.v3.Router`;
const LIMIT = `${TYPES}.network.connection_limit.v3.ConnectionLimit`;
const DIRECT = `${TYPES}.network.direct_response.v3.Config`;

/** Sets x-e of answers. */
const mutation = (value: string): Json => ({
  '@type': MUTATION,
  mutations: {
    response_mutations: [
      {
        append: {
          header: { key: 'x-e', value },
          append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
        },
      },
    ],
  },
});

const direct: Json = {
  '@type': DIRECT,
  response: { inline_string: 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-e: none\r\n\r\nnet' },
};

const answers: Json = {
  match: { prefix: '/' },
  direct_response: { status: 200, body: { inline_string: 'ok' } },
};

interface Scene {
  readonly plane: ScriptedControlPlane;
  readonly source: Json;
  readonly ports: Map<string, number>;
}

function scene(t: Test, mode: GrpcMode | 'ADS'): Scene {
  const plane = new ScriptedControlPlane();
  t.teardown(() => plane.close());
  const source = mode === 'ADS' ? byAds('0.5s') : ownStream(mode, '0.5s');
  return { plane, source, ports: new Map() };
}

const discovered = ({ source }: Scene, name: string, more: Json = {}): Json => ({
  name,
  config_discovery: { config_source: source, type_urls: [MUTATION], ...more },
});

async function http(scene: Scene, name: string, filter: Json): Promise<Json> {
  const port = await freePort();
  scene.ports.set(name, port);
  return httpListener(name, [answers], {
    httpFilters: [filter],
    hcm: { access_log: [] },
    listener: { address: address(port), stat_prefix: name },
  });
}

async function tcp(scene: Scene, name: string, filters: readonly Json[]): Promise<Json> {
  const port = await freePort();
  scene.ports.set(name, port);
  return { name, stat_prefix: name, address: address(port), filter_chains: [{ filters }] };
}

const seen = ({ ports }: Scene, name: string): Promise<string> =>
  ask(ports.get(name)!, 'GET', '/').then(
    ({ status, headers, body }) => `${status} ${body} ${String(headers['x-e'])}`,
    (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? 'refused' : 'closed'),
  );

async function all(scene: Scene): Promise<Json> {
  const entries: [string, string][] = [];
  for (const name of scene.ports.keys()) entries.push([name, await seen(scene, name)]);
  return Object.fromEntries(entries);
}

const COUNTED =
  /^extension_config_discovery\.(http_filter\.(named|late)|network_filter\.limit)\.config_reload$|network_extension_config_missing$/;

async function prepare(scene: Scene): Promise<readonly Json[]> {
  const { plane } = scene;
  plane.set('extensions', 'named', { name: 'named', typed_config: mutation('one') });
  plane.set('extensions', 'end', { name: 'end', typed_config: { '@type': ROUTER } });
  plane.set('extensions', 'limit', {
    name: 'limit',
    typed_config: { '@type': LIMIT, stat_prefix: 's', max_connections: 9 },
  });
  plane.set('extensions', 'net', { name: 'net', typed_config: direct });
  const last = { name: 'last', typed_config: direct };
  const network = (name: string, type: string): Json =>
    discovered(scene, name, { type_urls: [type] });
  return [
    await http(scene, 'comes', discovered(scene, 'named')),
    await http(scene, 'missing', discovered(scene, 'absent')),
    await http(
      scene,
      'default',
      discovered(scene, 'late', { default_config: mutation('default') }),
    ),
    await http(
      scene,
      'at once',
      discovered(scene, 'never', {
        default_config: mutation('default'),
        apply_default_config_without_warming: true,
      }),
    ),
    await http(scene, 'a router in the middle', discovered(scene, 'end', { type_urls: [ROUTER] })),
    await tcp(scene, 'a gate', [network('limit', LIMIT), last]),
    await tcp(scene, 'an end', [network('net', DIRECT)]),
    await tcp(scene, 'no gate', [network('absent-gate', LIMIT), last]),
  ];
}

async function observe(t: Test, mode: GrpcMode | 'ADS', binary?: string): Promise<Json> {
  const stage = scene(t, mode);
  const { plane } = stage;
  await plane.listen();
  const listeners = await prepare(stage);
  const clusters = [xdsCluster(plane.port)];
  const proxy = await ProxyProcess.start(
    t,
    mode === 'ADS'
      ? {
          ...bootstrapOf(listeners, clusters),
          dynamic_resources: { ads_config: adsConfig('DELTA_GRPC') },
        }
      : bootstrapOf(listeners, clusters),
    binary,
  );
  for (const name of ['comes', 'a gate', 'an end'])
    await eventually(`${name} is there`, async () => (await seen(stage, name)).startsWith('200'));
  const start = await all(stage);
  const client = new KeptConnection(t, stage.ports.get('comes')!);
  const before = (await client.get('/')).headers['x-e'];

  const put = (name: string, config: Json): readonly string[] =>
    plane.put('extensions', name, { name, typed_config: config });
  put('named', mutation('two'));
  await eventually('another', async () => (await seen(stage, 'comes')) === '200 ok two');
  put('late', mutation('late'));
  await eventually('a late one', async () => (await seen(stage, 'default')) === '200 ok late');
  put('absent', mutation('late'));
  await eventually('a late one', async () => (await seen(stage, 'missing')) === '200 ok late');
  const [nonce = ''] = put('named', { '@type': ROUTER });
  await eventually('it is answered', () => plane.answers.has(nonce));
  const refused = plane.answers.get(nonce)!;
  const kept = await seen(stage, 'comes');
  const after = (await client.get('/')).headers['x-e'];

  const removed: string[] = [];
  if (mode !== 'GRPC') {
    for (const name of ['named', 'late']) plane.remove('extensions', name);
    await eventually('taken back', async () => (await seen(stage, 'comes')).startsWith('500'));
    await eventually('too', async () => (await seen(stage, 'default')) !== '200 ok late');
    removed.push(await seen(stage, 'comes'), await seen(stage, 'default'));
  }
  const stats = [...(await proxy.stats())].filter(([name]) => COUNTED.test(name)).toSorted();
  const dump = (await ask(proxy.adminPort, 'GET', '/config_dump?resource=ecds_filters')).body;
  const { configs = [] } = JSON.parse(dump) as {
    configs?: readonly { ecds_filter: { name: string } }[];
  };
  return {
    start,
    kept,
    connection: [before, after, client.connections],
    refused: refused.includes('Router but expect'),
    removed,
    stats: Object.fromEntries(stats),
    dumped: configs.map(({ ecds_filter }) => ecds_filter.name).toSorted(),
  };
}

for (const mode of ['ADS', 'DELTA_GRPC', 'GRPC'] as const) {
  t.test(`by ${mode}`, async (t) => {
    const ours = await observe(t, mode);
    t.match(ours, {
      start: {
        comes: '200 ok one',
        missing: '500  undefined',
        default: '200 ok default',
        'at once': '200 ok default',
        'a router in the middle': '500  undefined',
        'a gate': '200 net none',
        'an end': '200 net none',
        'no gate': 'closed',
      },
      kept: '200 ok two',
      connection: ['one', 'two', 1],
      refused: true,
    });
    if (mode !== 'GRPC') t.same(ours['removed'], ['500  undefined', '200 ok default']);
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, mode, envoyBinary), 'as Envoy');
  });
}
