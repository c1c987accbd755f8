// [w] Headers and cookies to dynamic metadata; the values are those of Envoy 1.40.
import t from 'tap';
import type { MetadataValue } from '../../../../proxy/config/metadata-value.ts';
import { HeaderToMetadataFilterFactory } from '../../../../proxy/filters/http/header-to-metadata.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import { linesOf, request, response, streamInfo } from '../../../support/route-samples.ts';
import { managerListener, managerOf, listener, routerFilter } from '../../xds/decoding.ts';
import type { Json } from '../../xds/decoding.ts';

const NAME = 'envoy.filters.http.header_to_metadata';
type Lines = readonly (readonly [string, string])[];

function setUp(config: Json) {
  const typed_config = {
    '@type': `type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config`,
    ...config,
  };
  const decoded = listener(
    managerListener({ http_filters: [{ name: NAME, typed_config }, routerFilter] }),
  );
  const settings = managerOf(decoded).httpFilters[0]!.settings;
  if (settings.kind !== 'header_to_metadata') throw new Error(settings.kind);
  const harness = new RouterHarness();
  const factory = new HeaderToMetadataFilterFactory(NAME, settings, harness.context);
  return { harness, factory };
}

function run(config: Json, requestLines: Lines, responseLines: Lines = []) {
  const { harness, factory } = setUp(config);
  const headers = request(requestLines);
  const info = streamInfo();
  const filter = factory.createFilter(new ScriptedClient(headers, null, info));
  filter?.decodeHeaders(headers, true);
  const answer = response(200, responseLines);
  filter?.encodeHeaders(answer, true);
  return { harness, headers, answer, info };
}

function plain(value: MetadataValue | undefined): unknown {
  if (value instanceof Map)
    return Object.fromEntries(
      [...value].map(([key, field]) => [key, plain(field as MetadataValue)]),
    );
  return Array.isArray(value) ? value.map(plain) : value;
}

const metadata = (
  config: Json,
  requestLines: Lines,
  responseLines: Lines = [],
  namespace = NAME,
): unknown => {
  const { info } = run(config, requestLines, responseLines);
  return info.dynamicMetadata === null
    ? undefined
    : plain(info.dynamicMetadata.namespace(namespace));
};

const present = (changes: Json = {}): Json => ({ on_header_present: { key: 'k', ...changes } });
const rule = (changes: Json = {}): Json => ({
  request_rules: [{ header: 'X-A', ...present(changes) }],
});
const missing: Json = { on_header_missing: { key: 'm', value: 'none' } };
const fromCookie: Json = { request_rules: [{ cookie: 'c', ...present(), ...missing }] };
const rewrite = (regex: string, substitution: string): Json => ({
  regex_value_rewrite: { pattern: { regex }, substitution },
});

const rows: readonly (readonly [what: string, config: Json, lines: Lines, expected: unknown])[] = [
  ['a header', rule(), [['x-a', 'v']], { k: 'v' }],
  [
    'two lines of a header',
    rule(),
    [
      ['x-a', 'v'],
      ['x-a', 'w'],
    ],
    { k: 'v,w' },
  ],
  [
    'two lines of cookies as a header',
    { request_rules: [{ header: 'cookie', ...present() }] },
    [
      ['cookie', 'a=b'],
      ['cookie', 'c=d'],
    ],
    { k: 'a=b,c=d' },
  ],
  ['no header', rule(), [], undefined],
  [
    'a missing header',
    { request_rules: [{ header: 'x-a', ...present(), ...missing }] },
    [],
    { m: 'none' },
  ],
  [
    'an empty header is not missing',
    { request_rules: [{ header: 'x-a', ...present(), ...missing }] },
    [['x-a', '']],
    undefined,
  ],
  ['an empty header and a fixed value', rule({ value: 'f' }), [['x-a', '']], { k: 'f' }],
  [
    'what stands in for a missing header is not rewritten',
    {
      request_rules: [
        { header: 'x-a', on_header_missing: { key: 'm', value: 'abc', ...rewrite('b', 'X') } },
      ],
    },
    [],
    { m: 'abc' },
  ],
  [
    'the last of two rules',
    {
      request_rules: [
        { header: 'x-a', ...present() },
        { header: 'x-b', ...present() },
      ],
    },
    [
      ['x-a', 'v'],
      ['x-b', 'w'],
    ],
    { k: 'w' },
  ],
  [
    'pseudo headers',
    {
      request_rules: [':method', ':path', ':authority', ':scheme', 'host'].map((header) => ({
        header,
        on_header_present: { key: header },
      })),
    },
    [],
    { ':method': 'GET', ':path': '/', ':authority': 'host', ':scheme': 'http', host: 'host' },
  ],
  ['a cookie', fromCookie, [['cookie', 'a=b; c="d e"; c=2']], { k: 'd e' }],
  [
    'a cookie of the second line',
    fromCookie,
    [
      ['cookie', 'a=b'],
      ['cookie', 'c=d'],
    ],
    { k: 'd' },
  ],
  ['an empty cookie is missing', fromCookie, [['cookie', 'c=']], { m: 'none' }],
  [
    'a rewritten path',
    {
      request_rules: [
        { header: ':path', ...present(rewrite('^/(cluster[\\d\\w-]+)/?.*$', '\\1')) },
      ],
    },
    [[':path', '/cluster-prod-001/x']],
    { k: 'cluster-prod-001' },
  ],
  ['a rewrite that does not match', rule(rewrite('^b$', 'c')), [['x-a', 'v']], { k: 'v' }],
  ['a rewrite that leaves nothing', rule(rewrite('.*', '')), [['x-a', 'v']], undefined],
  ['8191 bytes', rule(), [['x-a', 'z'.repeat(8191)]], { k: 'z'.repeat(8191) }],
  ['8192 bytes', rule(), [['x-a', 'z'.repeat(8192)]], undefined],
];

const numbers: readonly (readonly [text: string, value: number | undefined])[] = [
  ['12', 12],
  ['-1.5e3', -1500],
  ['+1', 1],
  ['.5', 0.5],
  ['5.', 5],
  ['1E5', 1e5],
  ['00012', 12],
  ['\t1 ', 1],
  ['0x10', 16],
  ['0x1.8p1', 3],
  ['-0X1f', -31],
  ['inf', Infinity],
  ['-Infinity', -Infinity],
  ['nan(abc)', NaN],
  ['1e999', Infinity],
  ['1e-400', 0],
  ['12345678901234567890', 12345678901234567168],
  ['++1', undefined],
  ['+-1', undefined],
  ['- 1', undefined],
  ['1,0', undefined],
  ['1_0', undefined],
  ['12abc', undefined],
  ['1e', undefined],
  ['1e+', undefined],
  ['0x', undefined],
  ['0x1p', undefined],
  ['.', undefined],
  ['infinit', undefined],
  ['1.5f', undefined],
];

const base64: readonly (readonly [text: string, value: string | undefined])[] = [
  ['aGVsbG8=', 'hello'],
  ['aGVsbG8', 'hello'],
  ['aGVsbA=', 'hell'],
  ['/w==', '\u00ff'],
  ['aGV*bG8=', undefined],
  ['a', undefined],
  ['aGVs===', undefined],
  ['_-__', undefined],
  ['aGVsbG9=', undefined],
];

const nested = (depth: number): number[] => {
  let bytes: number[] = [0x1a, 1, 0x78];
  for (let i = 0; i < depth; i++) {
    const element = [0x0a, ...varint(bytes.length), ...bytes];
    bytes = [0x32, ...varint(element.length), ...element];
  }
  return bytes;
};
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, value >> 7];

const values: readonly (readonly [what: string, bytes: readonly number[], value: unknown])[] = [
  ['a string', [0x1a, 2, 0x68, 0x69], 'hi'],
  ['null', [0x08, 0], null],
  ['true', [0x20, 1], true],
  ['a number', [0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], 1.5],
  ['a struct', [0x2a, 10, 0x0a, 8, 0x0a, 1, 0x61, 0x12, 3, 0x1a, 1, 0x62], { a: 'b' }],
  ['an empty key', [0x2a, 2, 0x0a, 0], { '': null }],
  ['a list', [0x32, 6, 0x0a, 2, 0x20, 1, 0x0a, 0], [true, null]],
  ['fields that are not known', [0x40, 1, 0x1a, 1, 0x62], 'b'],
  ['a cut varint', [0xff, 0xff], undefined],
  ['a cut string', [0x1a, 5, 0x68], undefined],
  ['a string that is no UTF-8', [0x1a, 1, 0xff], undefined],
  ['field 0', [0x02, 0], undefined],
];

t.test('header_to_metadata', async (t) => {
  for (const [what, config, lines, expected] of rows)
    t.same(metadata(config, lines), expected, what);
  for (const [text, value] of numbers) {
    const expected = value === undefined ? undefined : { k: value };
    t.same(metadata(rule({ type: 'NUMBER' }), [['x-a', text]]), expected, `number ${text}`);
  }
  for (const [text, value] of base64) {
    const expected = value === undefined ? undefined : { k: value };
    t.same(metadata(rule({ encode: 'BASE64' }), [['x-a', text]]), expected, `Base64 ${text}`);
  }
  const protobuf = (bytes: readonly number[]): unknown =>
    metadata(rule({ encode: 'BASE64', type: 'PROTOBUF_VALUE' }), [
      ['x-a', Buffer.from(bytes).toString('base64')],
    ]);
  for (const [what, bytes, value] of values)
    t.same(protobuf(bytes), value === undefined ? undefined : { k: value }, `protobuf: ${what}`);
  t.not(protobuf(nested(40)), undefined, 'nests');
  t.equal(protobuf(nested(60)), undefined, 'nests too deeply');
});

t.test('header_to_metadata removes what it read', async (t) => {
  const rules = [
    { header: 'x-a', ...present(), remove: true },
    { header: 'x-a', ...missing },
  ];
  const { headers, info } = run({ request_rules: rules }, [
    ['x-a', 'v'],
    ['x-b', 'w'],
    ['x-a', 'v2'],
  ]);
  t.same(linesOf(headers), ['x-b: w']);
  t.same(plain(info.dynamicMetadata!.namespace(NAME)), { k: 'v,v2', m: 'none' });
});

t.test('header_to_metadata of responses', async (t) => {
  const { answer, info } = run(
    {
      response_rules: [
        { header: 'x-r', ...present({ metadata_namespace: 'n' }), remove: true },
        { header: ':status', ...present({ type: 'NUMBER' }) },
      ],
    },
    [],
    [['x-r', 'v']],
  );
  t.same(linesOf(answer), []);
  t.same(plain(info.dynamicMetadata!.namespace('n')), { k: 'v' });
  t.same(plain(info.dynamicMetadata!.namespace(NAME)), { k: 200 });
});

t.test('header_to_metadata counts where a stat prefix is given', async (t) => {
  const { harness } = run(
    {
      stat_prefix: 'p',
      request_rules: [
        { header: 'x-a', ...present({ encode: 'BASE64' }) },
        { header: 'x-b', ...present(rewrite('.*', '')) },
        { header: 'x-c', ...present() },
        { header: 'x-d', ...missing },
        { header: 'x-e', ...present() },
      ],
    },
    [
      ['x-a', '**'],
      ['x-b', 'v'],
      ['x-c', 'z'.repeat(8192)],
    ],
  );
  const stat = (name: string): number => harness.stat(`http_filter_name.p.${name}`);
  t.same(
    [
      'request_rules_processed',
      'request_metadata_added',
      'request_header_not_found',
      'base64_decode_failed',
      'regex_substitution_failed',
      'header_value_too_long',
      'response_rules_processed',
    ].map(stat),
    [5, 1, 1, 1, 1, 1, 0],
  );
});

t.test('header_to_metadata without rules is not there', async (t) => {
  t.equal(setUp({}).factory.createFilter(new ScriptedClient(request(), null, streamInfo())), null);
});
