// proto-json.ts: canonical JSON of messages, and messages from the JSON an operator writes.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { packAny, unpackAnyAs, type MessageName } from '../../xds-protos/any.ts';
import { decode, encode } from '../../xds-protos/codec.ts';
import type { JsonFault } from '../../xds-protos/json-to-message.ts';
import { fromJson, ProtoJsonError, toJson } from '../../xds-protos/proto-json.ts';
import { listRecordings, recordingBytes, recordingJson } from './recordings.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

/** JSON of the message that was read from JSON. */
const through = (type: MessageName, json: unknown): unknown =>
  plain(toJson(type, fromJson(type, json) as never));

function errorsOf(type: MessageName, json: unknown, prefix = ''): readonly JsonFault[] {
  try {
    fromJson(type, json, prefix);
  } catch (error) {
    if (error instanceof ProtoJsonError) return error.errors;
    throw error;
  }
  return [];
}

t.test('toJson', (t) => {
  t.test('gives the recorded JSON of every response of istiod, and reads it back', (t) => {
    let compared = 0;
    for (const { name, type } of listRecordings()) {
      const expected = recordingJson(name);
      if (expected === undefined) continue;
      compared++;
      const json = plain(toJson(type, decode(type, recordingBytes(name)) as never));
      if (!isDeepStrictEqual(json, expected)) t.strictSame(json, expected, name);
      const again = through(type, expected);
      if (!isDeepStrictEqual(again, expected)) t.strictSame(again, expected, `${name}, read back`);
    }
    t.ok(compared > 250, `${compared} responses`);
    t.end();
  });

  const rows: readonly [MessageName, unknown, unknown][] = [
    ['google.protobuf.Duration', { seconds: 0, nanos: 0 }, '0s'],
    ['google.protobuf.Duration', { seconds: 1, nanos: 500_000_000 }, '1.500s'],
    ['google.protobuf.Duration', { seconds: 0, nanos: 1000 }, '0.000001s'],
    ['google.protobuf.Duration', { seconds: 3, nanos: 1 }, '3.000000001s'],
    ['google.protobuf.Duration', { seconds: 0, nanos: -250_000_000 }, '-0.250s'],
    ['google.protobuf.Timestamp', { seconds: 0, nanos: 0 }, '1970-01-01T00:00:00Z'],
    [
      'google.protobuf.Timestamp',
      { seconds: 1_700_000_000, nanos: 120_000_000 },
      '2023-11-14T22:13:20.120Z',
    ],
    ['google.protobuf.Timestamp', { seconds: 2 ** 60, nanos: 0 }, '9999-12-31T23:59:59Z'],
    ['google.protobuf.Int64Value', -(2n ** 63n), '-9223372036854775808'],
    ['google.protobuf.UInt64Value', 2n ** 64n - 1n, '18446744073709551615'],
    ['google.protobuf.DoubleValue', NaN, 'NaN'],
    ['google.protobuf.DoubleValue', -Infinity, '-Infinity'],
    ['google.protobuf.DoubleValue', 0.1, 0.1],
    ['google.protobuf.FloatValue', Math.fround(0.1), 0.1],
    ['google.protobuf.FloatValue', Math.fround(16_777_217), 16_777_216],
    ['google.protobuf.BytesValue', new Uint8Array([251, 255]), '+/8='],
    ['google.protobuf.BoolValue', false, false],
    [
      'envoy.config.core.v3.SocketAddress',
      { protocol: 'TCP', address: '', port_value: 0 },
      { port_value: 0 },
    ],
    ['envoy.config.core.v3.SocketAddress', { protocol: 99 }, { protocol: 99 }],
    ['envoy.config.core.v3.SocketAddress', { protocol: 1 }, { protocol: 'UDP' }],
    ['envoy.config.core.v3.HealthStatusSet', { statuses: [] }, {}],
    ['google.protobuf.Any', { type_url: '', value: new Uint8Array() }, {}],
    [
      'google.protobuf.Any',
      { type_url: 'a/b.C', value: new Uint8Array([1]) },
      { '@type': 'a/b.C', value: 'AQ==' },
    ],
    [
      'google.protobuf.Any',
      packAny('google.protobuf.StringValue', 'x'),
      { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
    ],
    [
      'google.protobuf.Any',
      packAny('google.protobuf.Empty', {}),
      { '@type': 'type.googleapis.com/google.protobuf.Empty', value: {} },
    ],
  ];
  for (const [type, message, expected] of rows) {
    t.strictSame(toJson(type, message as never), expected, `${type} ${JSON.stringify(expected)}`);
  }

  t.test('shows an Any with malformed content as bytes', (t) => {
    const any = {
      type_url: 'type.googleapis.com/envoy.config.core.v3.Locality',
      value: new Uint8Array([10, 9]),
    };
    t.strictSame(toJson('google.protobuf.Any', any), { '@type': any.type_url, value: 'Cgk=' });
    t.end();
  });

  t.test('stops at Any inside Any inside Any', (t) => {
    let any = packAny('google.protobuf.Empty', {});
    for (let i = 0; i < 300; i++) any = packAny('google.protobuf.Any', any);
    t.ok(JSON.stringify(toJson('google.protobuf.Any', any)).length > 0);
    t.end();
  });

  t.test('keeps keys that are names of Object.prototype', (t) => {
    const dimensions = new Map([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    const text = JSON.stringify(toJson('stats.MetricConfig', { dimensions }));
    t.equal(text, '{"dimensions":{"__proto__":"x","constructor":"y"}}');
    t.strictSame(fromJson('stats.MetricConfig', JSON.parse(text)), { dimensions });
    t.end();
  });
  t.end();
});

t.test('fromJson', (t) => {
  t.test("reads pilot-agent's bootstrap, which survives every form", (t) => {
    const type = 'envoy.config.bootstrap.v3.Bootstrap';
    const file = path.join(import.meta.dirname, '../fixtures/pilot-agent/bootstrap-1.26.json');
    const bootstrap = fromJson(type, JSON.parse(readFileSync(file, 'utf8')));
    t.strictSame(decode(type, encode(type, bootstrap)), bootstrap);
    t.strictSame(fromJson(type, plain(toJson(type, bootstrap))), bootstrap);
    t.equal(bootstrap.static_resources?.clusters?.length, 4);
    const filter = bootstrap.static_resources?.listeners?.[0]?.filter_chains?.[0]?.filters?.[0];
    const manager = unpackAnyAs(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      filter?.typed_config,
    );
    t.equal(manager?.stat_prefix, 'stats');
    t.equal(
      manager?.route_config?.virtual_hosts?.[0]?.routes?.[0]?.route?.cluster,
      'prometheus_stats',
    );
    t.end();
  });

  const same: readonly [what: string, MessageName, unknown, unknown][] = [
    [
      'lowerCamelCase',
      'envoy.config.core.v3.SocketAddress',
      { portValue: 1, resolverName: 'a' },
      { port_value: 1, resolver_name: 'a' },
    ],
    [
      'a number as a string',
      'envoy.config.core.v3.SocketAddress',
      { port_value: '80' },
      { port_value: 80 },
    ],
    [
      'an integer written as a float',
      'envoy.config.core.v3.SocketAddress',
      { port_value: 8e1 },
      { port_value: 80 },
    ],
    [
      'an enum by number',
      'envoy.config.core.v3.SocketAddress',
      { protocol: 1 },
      { protocol: 'UDP' },
    ],
    [
      'an enum without a name',
      'envoy.config.core.v3.SocketAddress',
      { protocol: 99 },
      { protocol: 99 },
    ],
    [
      'null for absent',
      'envoy.config.core.v3.SocketAddress',
      { protocol: null, address: null },
      {},
    ],
    ['a duration with few digits', 'google.protobuf.Duration', '0.25s', '0.250s'],
    ['a negative duration', 'google.protobuf.Duration', '-1.5s', '-1.500s'],
    [
      'a time with an offset',
      'google.protobuf.Timestamp',
      '2023-11-14T23:13:20.5+01:00',
      '2023-11-14T22:13:20.500Z',
    ],
    ['base64 for URLs', 'google.protobuf.BytesValue', '-_8', '+/8='],
    ['a 64-bit number', 'google.protobuf.UInt64Value', 5, '5'],
    [
      'a wide 64-bit number',
      'google.protobuf.UInt64Value',
      '18446744073709551615',
      '18446744073709551615',
    ],
    ['a double as a string', 'google.protobuf.DoubleValue', '1.5e3', 1500],
    ['infinity', 'google.protobuf.DoubleValue', 'Infinity', 'Infinity'],
    [
      'a Struct',
      'google.protobuf.Struct',
      { a: [1, null, { b: 'c' }] },
      { a: [1, null, { b: 'c' }] },
    ],
    ['null as a Value', 'google.protobuf.Value', null, null],
    ['an empty Any', 'google.protobuf.Any', {}, {}],
    [
      'Empty without value',
      'google.protobuf.Any',
      { '@type': 'x/google.protobuf.Empty' },
      { '@type': 'x/google.protobuf.Empty', value: {} },
    ],
  ];
  for (const [what, type, json, expected] of same)
    t.strictSame(through(type, json), expected, what);

  const bootstrap = 'envoy.config.bootstrap.v3.Bootstrap';
  const hcm =
    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  const filterPath = 'static_resources.listeners[1].filter_chains[0].filters[0].typed_config';
  const listener = (typedConfig: unknown): unknown => ({
    static_resources: {
      listeners: [{}, { filter_chains: [{ filters: [{ typed_config: typedConfig }] }] }],
    },
  });
  const wrong: readonly [MessageName, unknown, path: string, message: RegExp][] = [
    [
      bootstrap,
      listener({ '@type': hcm, stat_prefix: 5 }),
      `${filterPath}.stat_prefix`,
      /must be a string, is 5/,
    ],
    [
      bootstrap,
      listener({ '@type': hcm, statPrefix: true }),
      `${filterPath}.stat_prefix`,
      /must be a string, is true/,
    ],
    [bootstrap, listener({ '@type': hcm, prefix: 'a' }), `${filterPath}.prefix`, /unknown field/],
    [
      bootstrap,
      listener({ '@type': hcm, codec_type: 'HTTP9' }),
      `${filterPath}.codec_type`,
      /one of AUTO, HTTP1, HTTP2/,
    ],
    [
      bootstrap,
      listener({ '@type': 'type.googleapis.com/a.B' }),
      `${filterPath}.@type`,
      /unknown type URL/,
    ],
    [bootstrap, listener({ '@type': 5 }), `${filterPath}.@type`, /must be a type URL, is 5/],
    [
      bootstrap,
      listener({ stat_prefix: 'a' }),
      `${filterPath}.@type`,
      /must be a type URL, is missing/,
    ],
    [bootstrap, listener([]), filterPath, /must be an object, is a list/],
    [bootstrap, { nodes: {} }, 'nodes', /unknown field/],
    [bootstrap, [], '', /must be an object, is a list/],
    [bootstrap, null, '', /must be an object, is null/],
    [bootstrap, { toString: 1 }, 'toString', /unknown field/],
    [
      bootstrap,
      { static_resources: { listeners: {} } },
      'static_resources.listeners',
      /must be a list/,
    ],
    [
      bootstrap,
      { static_resources: { listeners: [null] } },
      'static_resources.listeners[0]',
      /must be an object, is null/,
    ],
    [
      bootstrap,
      { admin: { address: { socket_address: { port_value: 1.5 } } } },
      'admin.address.socket_address.port_value',
      /integer from 0 to 4294967295, is 1.5/,
    ],
    [
      bootstrap,
      { admin: { address: { socket_address: { port_value: '0x50' } } } },
      'admin.address.socket_address.port_value',
      /integer/,
    ],
    [
      bootstrap,
      { admin: { address: { socket_address: { port_value: -1 } } } },
      'admin.address.socket_address.port_value',
      /integer/,
    ],
    [
      bootstrap,
      { stats_flush_interval: 5 },
      'stats_flush_interval',
      /a duration in seconds such as "1.5s", is 5/,
    ],
    [bootstrap, { stats_flush_interval: '5' }, 'stats_flush_interval', /a duration/],
    [bootstrap, { stats_flush_interval: '5ms' }, 'stats_flush_interval', /a duration/],
    [
      bootstrap,
      { enable_dispatcher_stats: 'yes' },
      'enable_dispatcher_stats',
      /true or false, is the string "yes"/,
    ],
    [bootstrap, { node: { metadata: [] } }, 'node.metadata', /must be an object, is a list/],
    [
      bootstrap,
      { node: { dynamic_parameters: { 'a"b': { params: { x: 1 } } } } },
      'node.dynamic_parameters["a\\"b"].params["x"]',
      /must be a string/,
    ],
    [bootstrap, { flags_path: 'a', flagsPath: 'b' }, 'flags_path', /given twice/],
    [
      'envoy.config.core.v3.SocketAddress',
      { port_value: 1, named_port: 'x' },
      'named_port',
      /beside port_value/,
    ],
    ['google.protobuf.UInt64Value', 2 ** 60, '', /write it as a string/],
    ['google.protobuf.UInt64Value', '-1', '', /integer from 0/],
    ['google.protobuf.UInt64Value', '9'.repeat(100), '', /integer/],
    ['google.protobuf.BytesValue', '*', '', /base64/],
    ['google.protobuf.Timestamp', '2023-11-14', '', /a time such as/],
    ['google.protobuf.FloatValue', 1e300, '', /32-bit float/],
    ['google.protobuf.Any', { '@type': 'a/google.protobuf.StringValue' }, '', /member named value/],
    ['google.protobuf.Any', { '@type': 'google.protobuf.Empty' }, '@type', /unknown type URL/],
  ];
  for (const [type, json, faultPath, message] of wrong) {
    const [fault, ...others] = errorsOf(type, json);
    t.equal(fault?.path, faultPath, `${faultPath} ${message.source}`);
    t.match(fault?.message, message);
    t.strictSame(others, []);
  }

  t.test('collects all errors, in the order of the text, under a prefix', (t) => {
    const json = { nodes: {}, admin: { profile_path: 1 }, stats_flush_interval: '1' };
    const paths = errorsOf(bootstrap, json, 'file.yaml').map((error) => error.path);
    t.strictSame(paths, [
      'file.yaml.nodes',
      'file.yaml.admin.profile_path',
      'file.yaml.stats_flush_interval',
    ]);
    const many = errorsOf(
      bootstrap,
      Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, 1])),
    );
    t.equal(many.length, 100);
    t.throws(
      () => fromJson(bootstrap, json),
      /nodes: unknown field.*admin.profile_path: must be a string/,
    );
    t.end();
  });

  t.test('passes over unknown fields when told so, and says which', (t) => {
    const seen: string[] = [];
    const options = { allowUnknown: true, onUnknown: (at: string) => seen.push(at) };
    const json = {
      nodes: {},
      node: { id: 'a', names: 1 },
      ...(listener({ '@type': hcm, x: 1 }) as object),
    };
    const message = fromJson(bootstrap, json, '', options);
    t.strictSame(message.node, { id: 'a' });
    t.strictSame(seen, ['nodes', 'node.names', `${filterPath}.x`]);
    t.end();
  });

  t.test('refuses what nests too deep', (t) => {
    let list: unknown = 1;
    for (let i = 0; i < 5000; i++) list = [list];
    t.match(errorsOf('google.protobuf.Value', list)[0]?.message, /deeper than 100/);
    let permission: unknown = { any: true };
    for (let i = 0; i < 5000; i++) permission = { not_rule: permission };
    t.match(errorsOf('envoy.config.rbac.v3.Permission', permission)[0]?.message, /deeper than 100/);
    let any: unknown = {};
    for (let i = 0; i < 5000; i++) any = { '@type': 'a/google.protobuf.Any', value: any };
    t.match(errorsOf('google.protobuf.Any', any)[0]?.message, /deeper than 100/);
    t.end();
  });

  t.test('gives Structs without prototypes', (t) => {
    const json = JSON.parse('{"metadata": {"__proto__": {"polluted": true}}}') as unknown;
    const { metadata } = fromJson('envoy.config.core.v3.Node', json);
    t.equal(Object.getPrototypeOf(metadata), null);
    t.equal(JSON.stringify(metadata), '{"__proto__":{"polluted":true}}');
    t.equal(({} as { polluted?: boolean }).polluted, undefined);
    t.end();
  });
  t.end();
});
