// codec.ts: bytes to plain objects and back, on recordings of a real istiod and on bytes made to break it.
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { MessageName } from '../../xds-protos/any.ts';
import { decode, encode } from '../../xds-protos/codec.ts';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import type { JsonValue } from '../../xds-protos/well-known-types.ts';
import { loadMessages } from '../../xds-protos/generator/load.ts';
import { decodeEverything } from './decode-everything.ts';
import { listRecordings, recordingBytes } from './recordings.ts';
import { errorOf, hex } from './wire-bytes.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

t.test('recordings of istiod', (t) => {
  t.test('decode without an unknown field or type, and survive a round trip', (t) => {
    const recordings = listRecordings();
    t.ok(recordings.length > 250, `${recordings.length} recordings`);
    for (const { name, type } of recordings) {
      const unknown: string[] = [];
      const messages = decodeEverything(type, recordingBytes(name), (what) => unknown.push(what));
      const changed = messages.filter(({ type: messageType, message }) => {
        const again = decode(messageType, encode(messageType, message as never));
        return !isDeepStrictEqual(again, message);
      });
      t.strictSame({ unknown, changed }, { unknown: [], changed: [] }, name);
    }
    t.end();
  });

  t.test('are read alike by protobufjs after we wrote them', (t) => {
    const names: MessageName[] = [
      'envoy.config.cluster.v3.Cluster',
      'envoy.config.listener.v3.Listener',
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      'envoy.config.route.v3.RouteConfiguration',
      'envoy.config.endpoint.v3.ClusterLoadAssignment',
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
    ];
    const root = loadMessages(names);
    const files = listRecordings().filter(({ name }) =>
      /^(03|05|13)-.*\/0\d-(cds|eds|lds|rds)/.test(name),
    );
    for (const { name, type } of files) {
      const messages = decodeEverything(type, recordingBytes(name));
      const changed = messages.filter(({ type: messageType, message }) => {
        if (!names.includes(messageType)) return false;
        const reflected = root.lookupType(messageType);
        const written = encode(messageType, message as never);
        const read = reflected.toObject(reflected.decode(written), { longs: String });
        // protobufjs' own bytes, read by us, come back as the same message.
        const theirs = reflected.encode(reflected.fromObject(read)).finish();
        return !isDeepStrictEqual(decode(messageType, theirs), message);
      });
      t.strictSame(changed, [], name);
    }
    t.end();
  });
  t.end();
});

t.test('decoded form', (t) => {
  const decodeHex = <K extends MessageName>(type: K, bytes: string): MessageTypes[K] =>
    decode(type, hex(bytes));
  const rows: readonly [what: string, type: MessageName, bytes: string, expected: unknown][] = [
    ['no bytes give an empty object', 'envoy.config.core.v3.Locality', '', {}],
    [
      'a default on the wire is absent',
      'envoy.config.core.v3.Locality',
      '0a00 1201 61',
      { zone: 'a' },
    ],
    [
      'the last of two values wins',
      'envoy.config.core.v3.Locality',
      '0a0161 0a0162',
      { region: 'b' },
    ],
    ['a later default wins too', 'envoy.config.core.v3.Locality', '0a0161 0a00', {}],
    [
      'a wrapper at its default is present',
      'envoy.extensions.filters.http.router.v3.Router',
      '0a00',
      { dynamic_stats: false },
    ],
    [
      'a wrapper keeps its value',
      'envoy.config.cluster.v3.Cluster.MaglevLbConfig',
      '0a03 08ed07',
      { table_size: 1005n },
    ],
    [
      'a oneof member at its default is present',
      'envoy.config.core.v3.SocketAddress',
      '1800',
      { port_value: 0 },
    ],
    [
      'the last oneof member wins',
      'envoy.config.core.v3.SocketAddress',
      '1805 220161',
      { named_port: 'a' },
    ],
    ['an enum is a name', 'envoy.config.core.v3.SocketAddress', '0801', { protocol: 'UDP' }],
    ['enum zero is absent', 'envoy.config.core.v3.SocketAddress', '0800', {}],
    [
      'an unknown enum stays a number',
      'envoy.config.core.v3.SocketAddress',
      '0863',
      { protocol: 99 },
    ],
    [
      'a negative enum stays a number',
      'envoy.config.core.v3.SocketAddress',
      '08ffffffffffffffffff01',
      { protocol: -1 },
    ],
    ['a double', 'envoy.type.v3.Percent', '09 000000000000f83f', { value: 1.5 }],
    [
      'minus zero is not the default',
      'envoy.type.v3.Percent',
      '09 0000000000000080',
      { value: -0 },
    ],
    ['a negative int64', 'envoy.type.v3.Int64Range', '08ffffffffffffffffff01', { start: -1n }],
    ['a negative int32', 'envoy.type.v3.Int32Range', '08ffffffffffffffffff01', { start: -1 }],
    [
      'a duration',
      'google.protobuf.Duration',
      '0801 1080cab5ee01',
      { seconds: 1, nanos: 500_000_000 },
    ],
    [
      'a negative duration',
      'google.protobuf.Duration',
      '08ffffffffffffffffff01',
      { seconds: -1, nanos: 0 },
    ],
    ['packed numbers', 'envoy.admin.v3.CertificateDetails', '2005', { days_until_expiration: 5n }],
    [
      'a repeated enum, packed',
      'envoy.config.core.v3.HealthStatusSet',
      '0a020102',
      { statuses: ['HEALTHY', 'UNHEALTHY'] },
    ],
    [
      'a repeated enum, one by one',
      'envoy.config.core.v3.HealthStatusSet',
      '0801 0802',
      { statuses: ['HEALTHY', 'UNHEALTHY'] },
    ],
    ['an empty packed list is absent', 'envoy.config.core.v3.HealthStatusSet', '0a00', {}],
    [
      'a map entry without key and value',
      'stats.MetricConfig',
      '0a00',
      { dimensions: new Map([['', '']]) },
    ],
    [
      'a message met twice is merged',
      'envoy.config.core.v3.Node',
      '22030a0161 2203120162',
      { locality: { region: 'a', zone: 'b' } },
    ],
    ['UTF-8 beyond ASCII', 'envoy.config.core.v3.Locality', '0a04f09f9880', { region: '😀' }],
    [
      'an Any stays packed',
      'google.protobuf.Any',
      '0a0161 12020102',
      { type_url: 'a', value: hex('0102') },
    ],
    [
      'an Any without content has both fields',
      'google.protobuf.Any',
      '',
      { type_url: '', value: hex('') },
    ],
    ['an empty message', 'google.protobuf.Empty', '', {}],
  ];
  for (const [what, type, bytes, expected] of rows)
    t.strictSame(decodeHex(type, bytes), expected, what);

  t.test('of a Struct has no prototype, whatever its keys', (t) => {
    const value: JsonValue = JSON.parse(
      '{"__proto__": {"a": 1}, "constructor": [true, null], "toString": "x", "n": -1.5, "": {}}',
    ) as JsonValue;
    const bytes = encode('google.protobuf.Value', value);
    const read = decode('google.protobuf.Value', bytes);
    t.equal(Object.getPrototypeOf(read), null);
    t.equal(JSON.stringify(sorted(read)), JSON.stringify(sorted(value)));
    t.equal(({} as { a?: number }).a, undefined);
    t.end();
  });

  t.test('of a map takes keys that are names of Object.prototype', (t) => {
    const dimensions = new Map([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    const bytes = encode('stats.MetricConfig', { dimensions });
    t.strictSame(decode('stats.MetricConfig', bytes).dimensions, dimensions);
    t.end();
  });

  t.test('of bytes is a view of the input', (t) => {
    const input = encode('google.protobuf.Any', { type_url: 'a', value: hex('0102') });
    t.equal(decode('google.protobuf.Any', input).value.buffer, input.buffer);
    t.end();
  });
  t.end();
});

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, element]) => [key, sorted(element)]);
}

t.test('encode', (t) => {
  t.test('gives equal bytes for equal messages', (t) => {
    const a = encode('stats.MetricConfig', {
      dimensions: new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
      name: 'x',
    });
    const b = encode('stats.MetricConfig', {
      name: 'x',
      dimensions: new Map([
        ['b', '2'],
        ['a', '1'],
      ]),
    });
    t.equal(hexOf(a), hexOf(b));
    t.equal(hexOf(a), '0a060a0161120131' + '0a060a0162120132' + '120178');
    const one = encode('google.protobuf.Struct', { a: 1, b: 2 });
    t.equal(hexOf(one), hexOf(encode('google.protobuf.Struct', { b: 2, a: 1 })));
    t.end();
  });

  t.test('leaves out defaults that have no presence', (t) => {
    t.equal(encode('envoy.config.core.v3.Locality', { region: '', zone: undefined }).length, 0);
    t.equal(
      hexOf(encode('envoy.config.core.v3.SocketAddress', { port_value: 0, protocol: 'TCP' })),
      '1800',
    );
    t.equal(
      hexOf(encode('envoy.extensions.filters.http.router.v3.Router', { dynamic_stats: false })),
      '0a00',
    );
    t.end();
  });

  t.test('writes lengths of every size', (t) => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 70_000, 2_100_000]) {
      const node = { locality: { region: 'x'.repeat(length), zone: 'é' } };
      t.strictSame(
        decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', node)).locality
          ?.zone,
        'é',
      );
      t.equal(
        decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', node)).locality
          ?.region?.length ?? 0,
        length,
      );
    }
    t.end();
  });

  t.test('names the field whose value does not fit', (t) => {
    const rows: readonly [MessageName, unknown, string, RegExp][] = [
      ['envoy.config.core.v3.SocketAddress', { port_value: -1 }, 'port_value', /integer from 0/],
      ['envoy.config.core.v3.SocketAddress', { port_value: 1.5 }, 'port_value', /integer from 0/],
      ['envoy.config.core.v3.SocketAddress', { address: 5 }, 'address', /must be a string/],
      ['envoy.config.core.v3.SocketAddress', { protocol: 'SCTP' }, 'protocol', /no value SCTP/],
      [
        'envoy.config.core.v3.Address',
        { socket_address: { port_value: 2 ** 32 } },
        'socket_address.port_value',
        /integer/,
      ],
      ['envoy.type.v3.Int64Range', { start: 2n ** 63n }, 'start', /64 bits/],
      ['envoy.type.v3.Int64Range', { start: 1 }, 'start', /must be a bigint/],
      [
        'istio.networking.nds.v1.NameTable',
        { table: new Map([['a', { ips: [1] }]]) },
        'table["a"].ips[0]',
        /string/,
      ],
      ['google.protobuf.Duration', { seconds: 0.5, nanos: 0 }, '', /integers/],
    ];
    for (const [type, message, path, reason] of rows) {
      const error = errorOf(() => encode(type, message as never));
      t.equal(error.path, path);
      t.match(error.reason, reason);
    }
    t.end();
  });
  t.end();
});
