// Where resources are asked for: each kind of source, and what is refused.
import t from 'tap';

import type { ConfigSource } from '../../../xds-protos/gen/envoy.config.core.v3.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { ConfigError } from '../../../proxy/config/config-error.ts';
import { subscriptionKey } from '../../../proxy/config/config-source.ts';
import type { SourceRef } from '../../../proxy/config/config-source.ts';
import { ConfigProblems } from '../../../proxy/xds/config-problems.ts';
import { decodeConfigSource } from '../../../proxy/xds/config-source.ts';
import { FieldReader } from '../../../proxy/xds/field-reader.ts';

function decoded(json: object): SourceRef | string {
  const problems = new ConfigProblems();
  const message: ConfigSource = fromJson('envoy.config.core.v3.ConfigSource', json);
  const ref = decodeConfigSource(new FieldReader(message, '', problems));
  try {
    problems.throwIfAny();
    return ref;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const service = { envoy_grpc: { cluster_name: 'xds' } };
const api = (more: object): object => ({
  api_config_source: {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [service],
    ...more,
  },
});

const cases: readonly [string, object, Partial<SourceRef> | RegExp][] = [
  ['ADS', { ads: {} }, { source: { kind: 'ads' }, initialFetchTimeoutMs: 15_000 }],
  ['for ever', { ads: {}, initial_fetch_timeout: '0s' }, { initialFetchTimeoutMs: 0 }],
  ['a stream', api({}), { source: { kind: 'grpc', cluster: 'xds', delta: false } }],
  [
    'a delta stream, the node once',
    api({ api_type: 'DELTA_GRPC', set_node_on_first_message_only: true }),
    { source: { kind: 'grpc', cluster: 'xds', delta: true, nodeOnce: true } },
  ],
  ['a path', { path: '/x' }, { source: { kind: 'path', path: '/x', watchedDirectory: '' } }],
  [
    'a watched path',
    { path_config_source: { path: '/x', watched_directory: { path: '/d' } } },
    { source: { kind: 'path', path: '/x', watchedDirectory: '/d' } },
  ],
  ['nothing', {}, /one of ads, api_config_source, path_config_source is required/],
  ['self', { self: {} }, /one of ads, api_config_source, path_config_source is required/],
  ['REST', api({ api_type: 'REST' }), /api_type: must be GRPC or DELTA_GRPC, is REST/],
  [
    'an aggregated stream of its own',
    api({ api_type: 'AGGREGATED_GRPC' }),
    /Unsupported config source AGGREGATED_GRPC/,
  ],
  ['another version', api({ transport_api_version: 'V2' }), /transport_api_version: must be V3/],
  ['two services', api({ grpc_services: [service, service] }), /must name one service/],
  [
    "Google's client",
    api({ grpc_services: [{ google_grpc: { target_uri: 'x', stat_prefix: 's' } }] }),
    /must name one service, by envoy_grpc/,
  ],
];

for (const [what, json, expected] of cases) {
  t.test(what, (t) => {
    t.match(decoded(json), expected);
    t.end();
  });
}

t.test('resources of one name and two sources are two', (t) => {
  const sources = [{ ads: {} }, api({}), api({ api_type: 'DELTA_GRPC' }), { path: '/x' }];
  const keys = sources.map((json) =>
    subscriptionKey({ name: 'r', source: (decoded(json) as SourceRef).source }),
  );
  t.equal(new Set(keys).size, sources.length);
  t.equal(keys[0], 'r');
  t.end();
});
