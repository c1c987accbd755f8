// Which header blocks are messages: RFC 9113 §8 as rows, limits, what is joined and dropped.
import t from 'tap';

import { HpackDecoder } from '../../../../proxy/http/http2/hpack-decoder.ts';
import {
  Fault,
  RequestReader,
  ResponseReader,
  TrailersReader,
} from '../../../../proxy/http/http2/message-rules.ts';
import type { MessageLimits } from '../../../../proxy/http/http2/message-rules.ts';
import type { HeaderMap } from '../../../../proxy/http/header-map.ts';
import { GET, block } from '../../../support/http2-frames.ts';
import type { Lines } from '../../../support/http2-frames.ts';

const limits: MessageLimits = { maxBytes: 1000, maxCount: 20, underscores: 'ALLOW' };

const linesOf = (map: HeaderMap): string[] =>
  Array.from({ length: map.size }, (_, i) => `${map.nameAt(i).text}: ${map.valueAt(i)}`);

function read(reader: RequestReader | ResponseReader | TrailersReader, lines: Lines): void {
  reader.begin();
  const bytes = block(lines);
  new HpackDecoder(4096).decode(bytes, 0, bytes.length, reader);
}

function request(
  lines: Lines,
  { endStream = true, allowConnect = true, own = limits } = {},
): RequestReader {
  const reader = new RequestReader(own, allowConnect);
  read(reader, lines);
  reader.finish(endStream);
  return reader;
}

/** GET with some pseudo headers replaced ('' drops one) and lines behind. */
const get = (pseudo: Readonly<Record<string, string>>, ...more: Lines): Lines => [
  ...GET.map(([name, value]) => [name, pseudo[name] ?? value] as const).filter(
    ([name]) => pseudo[name] !== '',
  ),
  ...more,
];

const CONNECT: Lines = [
  [':method', 'CONNECT'],
  [':authority', 'h:443'],
];

const good: readonly [what: string, lines: Lines, seen: string][] = [
  ['a plain GET', GET, 'GET http h / '],
  ['https', get({ ':scheme': 'https' }), 'GET https h / '],
  ['a scheme in upper case, lowered', get({ ':scheme': 'HTTP' }), 'GET http h / '],
  ['lines in order', get({}, ['b', '1'], ['a', '2']), 'GET http h / b: 1, a: 2'],
  ['one name twice', get({}, ['a', '1'], ['a', '2']), 'GET http h / a: 1, a: 2'],
  [
    "Envoy's single-value names, joined",
    get({}, ['accept', 'a'], ['accept', 'b']),
    'GET http h / accept: a,b',
  ],
  [
    'cookie crumbs, joined',
    get({}, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['cookie', 'c=3']),
    'GET http h / cookie: a=1; b=2; c=3, x: y',
  ],
  ['host in place of :authority', get({ ':authority': '' }, ['host', 'x']), 'GET http x / '],
  ['host beside :authority, dropped', get({}, ['host', 'x']), 'GET http h / '],
  ['an authority with a port', get({ ':authority': 'h:80' }), 'GET http h:80 / '],
  ['te: trailers', get({}, ['te', 'trailers']), 'GET http h / te: trailers'],
  ['te: Trailers', get({}, ['te', 'Trailers']), 'GET http h / te: Trailers'],
  [
    'a content-length of 0 with the end',
    get({}, ['content-length', '0']),
    'GET http h / content-length: 0',
  ],
  ['any method', get({ ':method': 'FROB' }), 'FROB http h / '],
  ['OPTIONS *', get({ ':method': 'OPTIONS', ':path': '*' }), 'OPTIONS http h * '],
  ['CONNECT', CONNECT, 'CONNECT  h:443  '],
  [
    'an extended CONNECT',
    get({ ':method': 'CONNECT' }).toSpliced(1, 0, [':protocol', 'websocket']),
    'CONNECT http h / ',
  ],
  ['underscores, where they are allowed', get({}, ['a_b', 'c']), 'GET http h / a_b: c'],
  ['bytes above 127 in a value', get({}, ['a', '\xe9']), 'GET http h / a: \xe9'],
];

const bad: readonly [what: string, lines: Lines, fault: Fault][] = [
  ['nothing', [], Fault.Messaging],
  ['no method', get({ ':method': '' }), Fault.Messaging],
  ['no scheme', get({ ':scheme': '' }), Fault.Messaging],
  ['no path', get({ ':path': '' }), Fault.Messaging],
  ['no authority and no host', get({ ':authority': '' }), Fault.Messaging],
  ['an empty path', [...get({ ':path': '' }), [':path', '']], Fault.InvalidField],
  ['a path without a slash', get({ ':path': 'a' }), Fault.Messaging],
  ['GET *', get({ ':path': '*' }), Fault.Messaging],
  ['a path with a blank', get({ ':path': '/a b' }), Fault.InvalidField],
  ['a path with DEL', get({ ':path': '/\x7f' }), Fault.InvalidField],
  ['a path with CR LF', get({ ':path': '/\r\nx: y' }), Fault.InvalidField],
  ['a method with a blank', get({ ':method': 'GET /' }), Fault.InvalidField],
  ['a method with CR LF', get({ ':method': 'GET\r\n' }), Fault.InvalidField],
  ['a scheme that is none', get({ ':scheme': '1http' }), Fault.InvalidField],
  ['a scheme with a comma', get({ ':scheme': 'http,https' }), Fault.InvalidField],
  ['an authority with a slash', get({ ':authority': 'a/b' }), Fault.InvalidField],
  ['an authority with a blank', get({ ':authority': 'a b' }), Fault.InvalidField],
  ['an authority with a user', get({ ':authority': 'u@h' }), Fault.InvalidField],
  ['an empty host', get({ ':authority': '' }, ['host', '']), Fault.InvalidField],
  ['an empty authority', [[':authority', ''], ...get({ ':authority': '' })], Fault.InvalidField],
  ['two hosts', get({ ':authority': '' }, ['host', 'x'], ['host', 'x']), Fault.InvalidField],
  ['a host with a slash', get({ ':authority': '' }, ['host', 'a/b']), Fault.InvalidField],
  [
    'a pseudo header twice',
    get({}, [':path', '/b']).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    Fault.InvalidField,
  ],
  ['a pseudo header behind a line', [['a', 'b'], ...GET], Fault.InvalidField],
  ['an unknown pseudo header', [[':x', 'y'], ...GET], Fault.InvalidField],
  ['a lone colon as name', [[':', 'y'], ...GET], Fault.InvalidField],
  [':status in a request', [[':status', '200'], ...GET], Fault.InvalidField],
  [':protocol without CONNECT', [[':protocol', 'websocket'], ...GET], Fault.Messaging],
  ['CONNECT with a path', [...CONNECT, [':path', '/']], Fault.Messaging],
  ['CONNECT with a scheme', [...CONNECT, [':scheme', 'http']], Fault.Messaging],
  ['CONNECT without an authority', [[':method', 'CONNECT']], Fault.Messaging],
  [
    'an extended CONNECT without a path',
    get({ ':method': 'CONNECT', ':path': '' }).toSpliced(1, 0, [':protocol', 'w']),
    Fault.Messaging,
  ],
  ['an upper-case name', get({}, ['Ab', 'c']), Fault.InvalidField],
  ['an empty name', get({}, ['', 'c']), Fault.InvalidField],
  ['a name with a blank', get({}, ['a b', 'c']), Fault.InvalidField],
  ['a value with LF', get({}, ['a', 'b\nc']), Fault.InvalidField],
  ['a value with NUL', get({}, ['a', '\0']), Fault.InvalidField],
  ['connection', get({}, ['connection', 'close']), Fault.InvalidField],
  ['keep-alive', get({}, ['keep-alive', '5']), Fault.InvalidField],
  ['proxy-connection', get({}, ['proxy-connection', 'close']), Fault.InvalidField],
  ['transfer-encoding', get({}, ['transfer-encoding', 'chunked']), Fault.InvalidField],
  ['upgrade', get({}, ['upgrade', 'websocket']), Fault.InvalidField],
  ['te: gzip', get({}, ['te', 'gzip']), Fault.InvalidField],
  ['te: trailers, gzip', get({}, ['te', 'trailers, gzip']), Fault.InvalidField],
  [
    'two content-lengths',
    get({}, ['content-length', '1'], ['content-length', '1']),
    Fault.InvalidField,
  ],
  ['a content-length that is no number', get({}, ['content-length', '+1']), Fault.InvalidField],
  ['an empty content-length', get({}, ['content-length', '']), Fault.InvalidField],
  ['a content-length and no body', get({}, ['content-length', '1']), Fault.Messaging],
  [
    '21 lines',
    get({}, ...Array.from({ length: 17 }, (_, i) => [`a${i}`, 'b'] as const)),
    Fault.TooMany,
  ],
  ['more bytes than allowed', get({}, ['a', 'b'.repeat(1000)]), Fault.TooLarge],
  ['dropped bytes beyond the limit', get({}, ['host', 'x'.repeat(1000)]), Fault.TooLarge],
  [
    'crumbs beyond the limit',
    get({}, ...Array.from({ length: 17 }, (_, i) => ['cookie', `c=${i}`] as const)),
    Fault.TooMany,
  ],
];

const responses: readonly [what: string, lines: Lines, seen: string][] = [
  ['200', [[':status', '200']], '200 '],
  [
    'an answer with lines',
    [
      [':status', '404'],
      ['a', 'b'],
    ],
    '404 a: b',
  ],
  ['103', [[':status', '103']], '103 '],
  ['no status', [['a', 'b']], Fault.Messaging],
  ['101', [[':status', '101']], Fault.InvalidField],
  ['a status of two digits', [[':status', '20']], Fault.InvalidField],
  ['a status below 100', [[':status', '099']], Fault.InvalidField],
  ['a status with a sign', [[':status', '+20']], Fault.InvalidField],
  [
    'a status twice',
    [
      [':status', '200'],
      [':status', '200'],
    ],
    Fault.InvalidField,
  ],
  [
    ':path in an answer',
    [
      [':status', '200'],
      [':path', '/'],
    ],
    Fault.InvalidField,
  ],
  [
    'connection in an answer',
    [
      [':status', '200'],
      ['connection', 'close'],
    ],
    Fault.InvalidField,
  ],
  [
    'several set-cookies, apart',
    [
      [':status', '200'],
      ['set-cookie', 'a'],
      ['set-cookie', 'b'],
    ],
    '200 set-cookie: a, set-cookie: b',
  ],
];

t.test('Requests', (t) => {
  for (const [what, lines, seen] of good) {
    t.test(`may have ${what}`, (t) => {
      const reader = request(lines);
      t.equal(reader.fault, Fault.None);
      const { method, scheme, authority, path } = reader.headers;
      t.equal(
        `${method} ${scheme} ${authority} ${path} ${linesOf(reader.headers).join(', ')}`,
        seen,
      );
      t.end();
    });
  }
  for (const [what, lines, fault] of bad) {
    t.test(`must not have ${what}`, (t) => {
      t.equal(request(lines).fault, fault);
      t.end();
    });
  }
  t.test('with :protocol are refused unless that is allowed', (t) => {
    const lines = get({ ':method': 'CONNECT' }).toSpliced(1, 0, [':protocol', 'websocket']);
    t.equal(request(lines, { allowConnect: false }).fault, Fault.InvalidField);
    t.equal(request(lines).protocol, 'websocket');
    t.end();
  });
  t.test('with underscores are refused, or lose them, where it is said', (t) => {
    const lines = get({}, ['a_b', 'c'], ['d', 'e']);
    t.equal(
      request(lines, { own: { ...limits, underscores: 'REJECT_REQUEST' } }).fault,
      Fault.Underscore,
    );
    const dropped = request(lines, { own: { ...limits, underscores: 'DROP_HEADER' } });
    t.equal(dropped.fault, Fault.None);
    t.strictSame(linesOf(dropped.headers), ['d: e']);
    t.equal(dropped.droppedUnderscores, 1);
    const many = get({}, ...Array.from({ length: 17 }, () => ['a_b', 'c'] as const));
    t.equal(request(many, { own: { ...limits, underscores: 'DROP_HEADER' } }).fault, Fault.TooMany);
    t.end();
  });
  t.test('do not remember the one before', (t) => {
    const reader = request(get({}, ['te', 'gzip']));
    read(reader, get({ ':authority': '' }, ['host', 'x']));
    reader.finish(true);
    t.equal(reader.fault, Fault.None);
    t.equal(reader.headers.authority, 'x');
    t.equal(reader.contentLength, -1);
    t.end();
  });
  t.end();
});

t.test('Responses', (t) => {
  for (const [what, lines, seen] of responses) {
    t.test(`and ${what}`, (t) => {
      const reader = new ResponseReader(limits);
      read(reader, lines);
      reader.finish();
      const got =
        reader.fault === Fault.None
          ? `${reader.headers.status} ${linesOf(reader.headers).join(', ')}`
          : reader.fault;
      t.equal(got, seen);
      t.end();
    });
  }
  t.end();
});

t.test('Trailers', (t) => {
  const reader = new TrailersReader(limits);
  const rows: readonly [what: string, lines: Lines, seen: string][] = [
    ['pass', [['grpc-status', '0']], 'grpc-status: 0'],
    [
      'lose what means framing or a host',
      [
        ['content-length', '0'],
        ['te', 'trailers'],
        ['host', 'x'],
        ['a', 'b'],
      ],
      'a: b',
    ],
    ['must not have pseudo headers', [[':path', '/']], Fault.InvalidField],
    ['must not have connection', [['connection', 'x']], Fault.InvalidField],
    ['must not be too large', [['a', 'b'.repeat(1000)]], Fault.TooLarge],
  ];
  for (const [what, lines, seen] of rows) {
    t.test(what, (t) => {
      read(reader, lines);
      reader.finish();
      t.equal(
        reader.fault === Fault.None ? linesOf(reader.trailers).join(', ') : reader.fault,
        seen,
      );
      t.end();
    });
  }
  t.end();
});
