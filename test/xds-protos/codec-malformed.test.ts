// codec.ts on bytes that are no message, or one of a newer API: cut, changed, too deep, unknown.
import t from 'tap';
import type { MessageName } from '../../xds-protos/any.ts';
import { decode } from '../../xds-protos/codec.ts';
import { ProtoError } from '../../xds-protos/proto-error.ts';
import { maxContents } from '../../xds-protos/wire-reader.ts';
import { decodeEverything } from './decode-everything.ts';
import { recordingBytes } from './recordings.ts';
import { errorOf, hex, wrap } from './wire-bytes.ts';

t.test('unknown fields', (t) => {
  t.test('are reported with the path of their message', (t) => {
    const seen: string[] = [];
    const endpoint = wrap(2, wrap(2, wrap(1, hex('f83f07'))));
    decode('envoy.config.endpoint.v3.ClusterLoadAssignment', endpoint, {
      onUnknown: (path, number) => seen.push(`${path}#${number}`),
    });
    t.strictSame(seen, ['endpoints[0].lb_endpoints[0].endpoint#1023']);
    t.end();
  });

  t.test('of every wire type are stepped over', (t) => {
    const rows: readonly [string, string][] = [
      ['varint', 'f83f ffffffffffffffffff01'],
      ['64 bits', 'f93f 0102030405060708'],
      ['bytes', 'fa3f 03010203'],
      ['group', 'fb3f 0801 fb3f fc3f 12020102 fc3f'],
      ['32 bits', 'fd3f 01020304'],
      ['known field, other wire type', '0d 01020304'],
    ];
    for (const [what, bytes] of rows) {
      const seen: number[] = [];
      const message = decode('envoy.config.core.v3.Locality', hex(`${bytes} 120161`), {
        onUnknown: (_path, number) => seen.push(number),
      });
      t.strictSame(message, { zone: 'a' }, what);
      t.equal(seen.length, 1, what);
    }
    t.end();
  });
  t.end();
});

t.test('malformed bytes', (t) => {
  const rows: readonly [
    what: string,
    type: MessageName,
    bytes: string,
    path: string,
    reason: RegExp,
  ][] = [
    ['field number 0', 'envoy.config.core.v3.Locality', '0201', '', /field number 0/],
    [
      'a field number of 33 bits',
      'envoy.config.core.v3.Locality',
      '8280808040 00',
      '',
      /out of range/,
    ],
    [
      'an unfinished number',
      'envoy.config.core.v3.SocketAddress',
      '18ff',
      'port_value',
      /ends inside a number/,
    ],
    [
      'a number of 11 bytes',
      'envoy.config.core.v3.SocketAddress',
      '18ffffffffffffffffffff01',
      'port_value',
      /10 bytes/,
    ],
    ['a length beyond the end', 'envoy.config.core.v3.Locality', '0a0561', 'region', /longer than/],
    [
      'a length beyond the parent',
      'envoy.config.core.v3.Node',
      '22020a0561',
      'locality.region',
      /longer than/,
    ],
    [
      'a length of 64 bits',
      'envoy.config.core.v3.Locality',
      '0affffffffffffffffff01',
      'region',
      /longer than/,
    ],
    ['text that is not UTF-8', 'envoy.config.core.v3.Locality', '0a02c328', 'region', /UTF-8/],
    ['a lone surrogate', 'envoy.config.core.v3.Locality', '0a03eda080', 'region', /UTF-8/],
    ['an end of a group', 'envoy.config.core.v3.Locality', 'fc3f', '', /wire type 4/],
    ['the end of another group', 'envoy.config.core.v3.Locality', 'fb3f f43f', '', /not begun/],
    ['wire type 6', 'envoy.config.core.v3.Locality', 'fe3f', '', /wire type 6/],
    ['an unfinished group', 'envoy.config.core.v3.Locality', 'fb3f', '', /ends inside/],
    ['an unfinished double', 'envoy.type.v3.Percent', '090000', 'value', /ends before/],
    [
      'a map entry',
      'istio.networking.nds.v1.NameTable',
      '0a070a0161 1202 0a05',
      'table["a"].ips[0]',
      /longer than/,
    ],
  ];
  for (const [what, type, bytes, path, reason] of rows) {
    const error = errorOf(() => decode(type, hex(bytes)));
    t.equal(error.path, path, what);
    t.match(error.reason, reason, what);
    t.match(error.message, type, what);
  }

  t.test('of every cut of a message are an error or the fields before the cut', (t) => {
    for (const [file, type] of [
      ['03-faults/productpage/01-cds.pb', 'envoy.config.cluster.v3.Cluster'],
      ['01-bookinfo/productpage/05-nds.pb', 'istio.networking.nds.v1.NameTable'],
    ] as const) {
      const response = decode(
        'envoy.service.discovery.v3.DeltaDiscoveryResponse',
        recordingBytes(file),
      );
      const bytes =
        response.resources?.[1]?.resource?.value ?? response.resources?.[0]?.resource?.value;
      if (bytes === undefined) throw new Error(`${file} has no resource`);
      let errors = 0;
      for (let cut = 0; cut < bytes.length; cut++) {
        try {
          decode(type, bytes.subarray(0, cut));
        } catch (error) {
          if (!(error instanceof ProtoError)) throw error;
          errors++;
        }
      }
      t.ok(errors > bytes.length / 2, `${errors} of ${bytes.length} cuts are errors`);
    }
    t.end();
  });

  t.test('with any one byte changed are an error or a message', (t) => {
    const bytes = recordingBytes('01-bookinfo/productpage/04-rds.pb').slice(0, 4000);
    for (let i = 0; i < bytes.length; i++) {
      const kept = bytes[i] as number;
      bytes[i] = (kept * 31 + i * 7 + 1) & 0xff;
      try {
        decodeEverything('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
      } catch (error) {
        if (!(error instanceof ProtoError)) throw error;
      }
      bytes[i] = kept;
    }
    t.pass('nothing else was thrown');
    t.end();
  });

  t.test('that hold more than a heap should are refused', (t) => {
    const empty = new Uint8Array(2 * (maxContents + 1));
    for (let i = 0; i < empty.length; i += 2) empty[i] = 0x22;
    const error = errorOf(() => decode('envoy.config.core.v3.Node', empty));
    t.match(error.reason, /more than 4000000 values/);
    t.end();
  });

  t.test('that nest too deep are refused', (t) => {
    const nested = (levels: number, field: number): Uint8Array => {
      let bytes: Uint8Array = new Uint8Array();
      for (let i = 0; i < levels; i++) bytes = wrap(field, bytes);
      return bytes;
    };
    // RouteMatch and its like do not nest; Permission.not_rule does.
    const type = 'envoy.config.rbac.v3.Permission';
    t.ok(decode(type, nested(99, 8)));
    t.match(errorOf(() => decode(type, nested(101, 8))).reason, /deeper than 100/);
    t.match(errorOf(() => decode(type, nested(3000, 8))).reason, /deeper than 100/);
    let list: Uint8Array = new Uint8Array();
    for (let i = 0; i < 1000; i++) list = wrap(6, wrap(1, list));
    t.match(errorOf(() => decode('google.protobuf.Value', list)).reason, /too deep/);
    const group = hex('fb3f'.repeat(50_000));
    t.match(errorOf(() => decode('envoy.config.core.v3.Locality', group)).reason, /groups/);
    t.end();
  });
  t.end();
});
