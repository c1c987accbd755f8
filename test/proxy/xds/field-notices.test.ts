// Fields that a version does not know, or that are deprecated; extensions of unknown types; guards that are not enforced: what is
// counted, told, refused or let through, by what the operator says.
import t from 'tap';

import { ConfigError } from '../../../proxy/config/config-error.ts';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { STRICT_RULES } from '../../../proxy/xds/decoding-rules.ts';
import type { DecodingRules } from '../../../proxy/xds/decoding-rules.ts';
import { FieldNotices } from '../../../proxy/xds/field-notices.ts';
import { clusterType, listenerType } from '../../../proxy/xds/resource-types.ts';
import { encode } from '../../../xds-protos/codec.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { captureLog } from '../../support/captured-log.ts';
import { managerListener, managerOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';
import { statId } from './recording-watchers.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.http';
const BUFFER = 'envoy.extensions.filters.http.buffer.v3.Buffer';

/** A field that no version has, as bytes: number 500, value 5. */
const UNKNOWN = Uint8Array.from([0xa0, 0x1f, 5]);

const clusterBytes = (json: Json): Uint8Array =>
  encode(
    'envoy.config.cluster.v3.Cluster',
    fromJson('envoy.config.cluster.v3.Cluster', { name: 'c', connect_timeout: '1s', ...json }),
  );

function setUp(rules: Partial<DecodingRules> = {}) {
  const stats = new StatsStore();
  const { logger: log, lines } = captureLog();
  const fields = new FieldNotices({
    stats,
    log,
    deprecatedLog: log,
    rules: { ...STRICT_RULES, ...rules },
  });
  const cluster = (...bytes: readonly Uint8Array[]): ClusterConfig =>
    clusterType.parse(Buffer.concat(bytes), fields.watch()).toConfig('v');
  const listener = (...filters: readonly Json[]): ListenerConfig => {
    const type = 'envoy.config.listener.v3.Listener';
    const json = managerListener({ http_filters: [...filters, routerFilter] });
    return listenerType.parse(encode(type, fromJson(type, json)), fields.watch()).toConfig('v');
  };
  const stat = (name: string): number => stats.value(statId(stats, name));
  return { cluster, listener, lines, stat };
}

function problemOf(decode: () => unknown): string {
  try {
    decode();
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}

/** A filter whose bytes hold a field that nobody knows. */
const strangeFilter: Json = {
  name: 'b',
  typed_config: {
    '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
    type_url: `type.googleapis.com/${BUFFER}`,
    value: { max_request_bytes: 5, strange: 1 },
  },
};

t.test('fields that are not known', (t) => {
  t.test('are counted and told once for each set of them, and the rest is used', (t) => {
    const { cluster, listener, lines, stat } = setUp();
    t.equal(cluster(clusterBytes({}), UNKNOWN).name, 'c');
    cluster(clusterBytes({}), UNKNOWN);
    t.equal(stat('server.dynamic_unknown_fields'), 1);
    t.match(listener(strangeFilter), { name: 'l' });
    t.equal(stat('server.dynamic_unknown_fields'), 2);
    t.same(lines, [
      'warning Unknown field: type envoy.config.cluster.v3.Cluster with unknown field set {500}',
      `warning Unknown field: type ${BUFFER} with unknown field set {strange}`,
    ]);
    t.end();
  });

  t.test('refuse their resource where the operator says so', (t) => {
    const { cluster, listener, stat } = setUp({ unknownFields: 'refuse' });
    t.match(
      problemOf(() => cluster(clusterBytes({}), UNKNOWN)),
      /type envoy.config.cluster.v3.Cluster with unknown field set \{500\}\) has unknown fields/,
    );
    t.match(
      problemOf(() => listener(strangeFilter)),
      /http_filters\[0\]\.typed_config: Protobuf message .*\{strange\}/,
    );
    t.equal(
      problemOf(() => cluster(clusterBytes({}))),
      '',
    );
    t.equal(stat('server.dynamic_unknown_fields'), 0);
    t.end();
  });

  t.test('are nobody’s concern where the operator says so', (t) => {
    const { cluster, lines, stat } = setUp({ unknownFields: 'ignore' });
    cluster(clusterBytes({ http2_protocol_options: {} }), UNKNOWN);
    t.equal(stat('server.dynamic_unknown_fields'), 0);
    t.equal(stat('runtime.deprecated_feature_use'), 0);
    t.same(lines, []);
    t.end();
  });
  t.end();
});

t.test('deprecated fields are counted at each use, told once, and used', (t) => {
  const { cluster, lines, stat } = setUp();
  for (let i = 0; i < 2; i++) cluster(clusterBytes({ http2_protocol_options: {} }));
  t.equal(stat('runtime.deprecated_feature_use'), 2);
  t.equal(stat('runtime.deprecated_feature_seen_since_process_start'), 2);
  t.same(lines, [
    'warning Deprecated field: envoy.config.cluster.v3.Cluster.http2_protocol_options',
  ]);
  const quiet = setUp({ silentDeprecated: true });
  quiet.cluster(clusterBytes({ http2_protocol_options: {} }));
  t.same(quiet.lines, []);
  t.equal(quiet.stat('runtime.deprecated_feature_use'), 1);
  t.end();
});

t.test('a filter of an unknown type', (t) => {
  const strange: Json = {
    name: 'x',
    typed_config: { '@type': `${HTTP}.ext_proc.v3.ExternalProcessor` },
  };
  const refusing = setUp();
  t.match(
    problemOf(() => refusing.listener(strange)),
    /Didn't find a registered implementation for 'x' with type URL: '.*ExternalProcessor'/,
    'refuses its listener by name',
  );
  const skipping = setUp({ skipUnknownExtensions: true });
  t.same(
    managerOf(skipping.listener(strange)).httpFilters.map(({ name }) => name),
    ['envoy.filters.http.router'],
    'is left out where the operator allows it',
  );
  t.match(skipping.lines, [/left out, as the operator allows: 'x' of the unknown type .*Ext/]);
  t.end();
});

t.test('a guard that is not enforced refuses, unless the operator lets it pass', (t) => {
  const jwt: Json = {
    name: 'j',
    typed_config: { '@type': `${HTTP}.jwt_authn.v3.JwtAuthentication` },
  };
  const kind = (rules: Partial<DecodingRules>): string =>
    managerOf(setUp(rules).listener(jwt)).httpFilters[0]!.settings.kind;
  t.equal(kind({}), 'refuse');
  t.equal(kind({ passUnenforced: true }), 'inert');
  t.end();
});
