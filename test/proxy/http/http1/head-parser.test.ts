// HeadParser: grammar, limits, and independence of how TCP cut the bytes.
import t from 'tap';
import { HeadParser } from '../../../../proxy/http/http1/head-parser.ts';
import type { HeadKind } from '../../../../proxy/http/http1/head-parser.ts';
import type { HeaderMap } from '../../../../proxy/http/header-map.ts';

const limits = { maxBytes: 60 * 1024, maxCount: 100, underscores: 'ALLOW' as const };

interface Outcome {
  readonly start: string;
  readonly headers: readonly string[];
  readonly error: string | null;
  readonly rest: string;
}

function lines(map: HeaderMap): string[] {
  const out: string[] = [];
  for (let i = 0; i < map.size; i++) out.push(`${map.nameAt(i).text}=${map.valueAt(i)}`);
  return out;
}

/** Feeds `text` in the pieces that the cuts make. */
function parse(kind: HeadKind, text: string, cuts: readonly number[], custom = limits): Outcome {
  const parser = new HeadParser(kind, custom);
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts, bytes.length];
  let from = 0;
  let rest = '';
  for (const end of ends) {
    // A copy, overwritten afterwards: the parser must not keep views of what it was given.
    const chunk = Buffer.from(bytes.subarray(from, end));
    const used = parser.done || parser.error !== null ? 0 : parser.parse(chunk, 0, chunk.length);
    rest += chunk.latin1Slice(used, chunk.length);
    chunk.fill(0x58);
    from = end;
  }
  const request = parser.request;
  const start =
    kind === 'request'
      ? `${request.method} ${request.path} ${parser.version} host=${request.authority ?? '-'}`
      : `${parser.response.status} ${parser.response.reason} ${parser.version}`;
  const map = kind === 'request' ? request : parser.response;
  if (parser.error !== null)
    return { start: '', headers: [], error: parser.error.details, rest: '' };
  return { start: parser.done ? start : 'incomplete', headers: lines(map), error: null, rest };
}

const good: readonly [
  name: string,
  kind: HeadKind,
  text: string,
  start: string,
  headers: readonly string[],
  rest?: string,
][] = [
  [
    'a plain request',
    'request',
    'GET /a?b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\nBODY',
    'GET /a?b 11 host=x',
    ['x-a=1'],
    'BODY',
  ],
  [
    'bare LF line ends',
    'request',
    'GET / HTTP/1.1\nHost: x\nA: b\n\nrest',
    'GET / 11 host=x',
    ['a=b'],
    'rest',
  ],
  [
    'empty lines before the request line',
    'request',
    '\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / 11 host=x',
    [],
  ],
  [
    'white space around values, only SP and HTAB',
    'request',
    'GET / HTTP/1.1\r\nA: \t b c \t\r\n\r\n',
    'GET / 11 host=-',
    ['a=b c'],
  ],
  [
    'obs-text kept byte by byte, \\xa0 not trimmed',
    'request',
    'GET / HTTP/1.1\r\nA: \xa0b\xff\r\n\r\n',
    'GET / 11 host=-',
    ['a=\xa0b\xff'],
  ],
  [
    'a folded line joined to its value',
    'request',
    'GET / HTTP/1.1\r\nA: b\r\n  c\r\n\r\n',
    'GET / 11 host=-',
    ['a=b  c'],
  ],
  [
    'a fold after a joined inline name',
    'request',
    'GET / HTTP/1.1\r\nVia: a\r\nX: y\r\nVia: b\r\n c\r\n\r\n',
    'GET / 11 host=-',
    ['via=a,b c', 'x=y'],
  ],
  [
    'a lone CR inside a value dropped',
    'request',
    'GET / HTTP/1.1\r\nA: b\rc\r\n\r\n',
    'GET / 11 host=-',
    ['a=bc'],
  ],
  [
    'known names twice joined, others kept apart',
    'request',
    'GET / HTTP/1.1\r\nVia: a\r\nVia: b\r\nX: 1\r\nX: 2\r\nCookie: a\r\nCookie: b\r\n\r\n',
    'GET / 11 host=-',
    ['via=a,b', 'x=1', 'x=2', 'cookie=a', 'cookie=b'],
  ],
  [
    'several hosts joined to one literal value',
    'request',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET / 11 host=a,b',
    [],
  ],
  ['an empty host', 'request', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'GET / 11 host=', []],
  [
    'odd white space in the request line',
    'request',
    '\rGET\t/  HTTP/1.1 \r\n\r\n',
    'GET / 11 host=-',
    [],
  ],
  [
    'folds, with the white space around them',
    'request',
    'GET / HTTP/1.1\r\nA: b \r\n \r\n\tc \r\nB:\r\n \r\n d\r\nHost: \r\n h\r\n\r\n',
    'GET / 11 host=h',
    ['a=b  \tc', 'b=d'],
  ],
  ['HTTP/0.9', 'request', 'GET /\r\n\r\n', 'GET / 9 host=-', []],
  ['HTTP/1.0', 'request', 'GET / HTTP/1.0\r\n\r\n', 'GET / 10 host=-', []],
  [
    'a name that prototypes have',
    'request',
    'GET / HTTP/1.1\r\n__proto__: 1\r\nConstructor: 2\r\n\r\n',
    'GET / 11 host=-',
    ['__proto__=1', 'constructor=2'],
  ],
  [
    'a response',
    'response',
    'HTTP/1.1 200 All Good\r\nA: b\r\n\r\nxyz',
    '200 All Good 11',
    ['a=b'],
    'xyz',
  ],
  ['a response without reason', 'response', 'HTTP/1.1 204\r\n\r\n', '204  11', []],
  ['a response with a space and no reason', 'response', 'HTTP/1.0 404 \r\n\r\n', '404  10', []],
];

const bad: readonly [name: string, kind: HeadKind, text: string, error: string][] = [
  ['an unknown method', 'request', 'FOO / HTTP/1.1\r\n\r\n', 'http1.codec_error'],
  ['a lower-case method', 'request', 'get / HTTP/1.1\r\n\r\n', 'http1.codec_error'],
  ['the HTTP/2 preface', 'request', 'PRI * HTTP/2.0\r\n\r\n', 'http1.codec_error'],
  ['a blank before the method', 'request', ' GET / HTTP/1.1\r\n\r\n', 'http1.codec_error'],
  [
    'a control byte before the method',
    'request',
    '\x01GET / HTTP/1.1\r\n\r\n',
    'http1.codec_error',
  ],
  ['VT for a blank', 'request', 'GET\x0b/ HTTP/1.1\r\n\r\n', 'http1.invalid_characters'],
  [
    'a CR in a length',
    'request',
    'GET / HTTP/1.1\r\nContent-Length: 1\r0\r\n\r\n',
    'http1.codec_error',
  ],
  ['DEL in the target', 'request', 'GET /\x7f HTTP/1.1\r\n\r\n', 'http1.invalid_characters'],
  ['a high byte in the target', 'request', 'GET /\xe4 HTTP/1.1\r\n\r\n', 'http1.codec_error'],
  ['HTTP/1.32', 'request', 'GET / HTTP/1.32\r\n\r\n', 'http1.codec_error'],
  ['a huge version', 'request', 'GET / HTTP/4294967295.255\r\n\r\n', 'http1.codec_error'],
  ['http/1.1 in lower case', 'request', 'GET / http/1.1\r\n\r\n', 'http1.codec_error'],
  ['a line without colon', 'request', 'GET / HTTP/1.1\r\nabc\r\n\r\n', 'http1.codec_error'],
  ['an empty name', 'request', 'GET / HTTP/1.1\r\n: v\r\n\r\n', 'http1.codec_error'],
  [
    'a space before the colon',
    'request',
    'GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n',
    'http1.codec_error',
  ],
  [
    'white space at the start of the first field',
    'request',
    'GET / HTTP/1.1\r\n Host: x\r\n\r\n',
    'http1.codec_error',
  ],
  ['NUL in a value', 'request', 'GET / HTTP/1.1\r\nA: b\0c\r\n\r\n', 'http1.invalid_characters'],
  [
    'VT in a value',
    'request',
    'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\x0b\r\n\r\n',
    'http1.invalid_characters',
  ],
  [
    'NUL in a folded line',
    'request',
    'GET / HTTP/1.1\r\nA: b\r\n \0\r\n\r\n',
    'http1.invalid_characters',
  ],
  ['a status of two digits', 'response', 'HTTP/1.1 20 OK\r\n\r\n', 'http1.codec_error'],
  ['a status of four digits', 'response', 'HTTP/1.1 2000 OK\r\n\r\n', 'http1.codec_error'],
  ['a status below 100', 'response', 'HTTP/1.1 099 OK\r\n\r\n', 'http1.codec_error'],
  ['garbage instead of a response', 'response', 'SSH-2.0-x\r\n\r\n', 'http1.codec_error'],
  [
    'an empty line before a response',
    'response',
    '\r\nHTTP/1.1 200 OK\r\n\r\n',
    'http1.codec_error',
  ],
];

t.test('HeadParser', (t) => {
  for (const [name, kind, text, start, headers, rest] of good) {
    t.test(`reads ${name}, cut anywhere`, (t) => {
      const expected = { start, headers, error: null, rest: rest ?? '' };
      t.strictSame(parse(kind, text, []), expected, 'whole');
      for (let cut = 1; cut < text.length; cut++) {
        const got = parse(kind, text, [cut]);
        if (JSON.stringify(got) !== JSON.stringify(expected))
          t.strictSame(got, expected, `cut at ${cut}`);
      }
      const everywhere = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
      t.strictSame(parse(kind, text, everywhere), expected, 'byte by byte');
      t.end();
    });
  }
  for (const [name, kind, text, error] of bad) {
    t.test(`refuses ${name}, cut anywhere`, (t) => {
      t.equal(parse(kind, text, []).error, error, 'whole');
      for (let cut = 1; cut < text.length; cut++) {
        const got = parse(kind, text, [cut]).error;
        if (got !== error) t.equal(got, error, `cut at ${cut}`);
      }
      t.end();
    });
  }
  t.test('bounds the size of the head, whole or dribbled', (t) => {
    const small = { ...limits, maxBytes: 100 };
    const text = `GET / HTTP/1.1\r\nA: ${'b'.repeat(200)}\r\n\r\n`;
    t.equal(parse('request', text, [], small).error, 'http1.headers_too_large');
    t.equal(parse('request', text, [50, 90, 120, 160], small).error, 'http1.headers_too_large');
    t.equal(
      parse('request', text.slice(0, 150), [], small).error,
      'http1.headers_too_large',
      'before the line ends',
    );
    t.end();
  });
  t.test('bounds the number of fields, host and joined ones included', (t) => {
    const fields = (n: number): string => 'Via: a\r\n'.repeat(n);
    t.equal(parse('request', `GET / HTTP/1.1\r\n${fields(100)}\r\n`, []).error, null);
    t.equal(
      parse('request', `GET / HTTP/1.1\r\nHost: x\r\n${fields(100)}\r\n`, []).error,
      'http1.too_many_headers',
    );
    t.end();
  });
  t.test('rejects or drops names with underscores where told to', (t) => {
    const text = 'GET / HTTP/1.1\r\na_b: 1\r\n 2\r\nc: 3\r\n\r\n';
    t.equal(
      parse('request', text, [], { ...limits, underscores: 'REJECT_REQUEST' } as never).error,
      'http1.unexpected_underscore',
    );
    t.strictSame(
      parse('request', text, [], { ...limits, underscores: 'DROP_HEADER' } as never).headers,
      ['c=3'],
    );
    t.end();
  });
  t.test('reads a line in one pass as it reads it byte by byte, whatever byte is where', (t) => {
    // Name, colon, blank, value, its last byte, line end.
    const line = 'Ab-c: de f';
    for (const [kind, start] of [
      ['request', 'GET / HTTP/1.1'],
      ['response', 'HTTP/1.1 200 OK'],
    ] as const) {
      for (const custom of [limits, { ...limits, underscores: 'DROP_HEADER' } as never]) {
        for (let at = 0; at <= line.length; at++) {
          for (let code = 0; code < 256; code++) {
            const odd = line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1);
            const text = `${start}\r\nhost: x\r\n${odd}\r\nx: y\r\n\r\n`;
            const from = start.length + 2 + 'host: x\r\n'.length;
            const cuts = Array.from({ length: odd.length + 4 }, (_, i) => from + i);
            const whole = parse(kind, text, [], custom);
            const dribbled = parse(kind, text, cuts, custom);
            if (JSON.stringify(whole) !== JSON.stringify(dribbled))
              t.strictSame(whole, dribbled, `${code} at ${at} of ${kind}`);
          }
        }
      }
    }
    t.end();
  });
  t.test('counts bytes and lines alike in one pass and byte by byte', (t) => {
    const text = 'GET / HTTP/1.1\r\nHost: x\r\na: 1\r\nb:2\r\nc: 3\r\n\r\n';
    const cuts = Array.from({ length: text.length - 1 }, (_, i) => i + 1);
    for (let maxBytes = 14; maxBytes <= text.length + 1; maxBytes++) {
      const custom = { ...limits, maxBytes };
      t.strictSame(parse('request', text, [], custom), parse('request', text, cuts, custom));
    }
    for (let maxCount = 0; maxCount <= 5; maxCount++) {
      const custom = { ...limits, maxCount };
      t.strictSame(parse('request', text, [], custom), parse('request', text, cuts, custom));
      t.equal(parse('request', text, [], custom).error === null, maxCount >= 4);
    }
    t.end();
  });
  t.test('works in linear time on a dribbled head', (t) => {
    const parser = new HeadParser('request', { ...limits, maxBytes: 8 * 1024 * 1024 });
    parser.parse(Buffer.from('GET / HTTP/1.1\r\nA: '), 0, 19);
    const byte = Buffer.from('b');
    const started = performance.now();
    for (let i = 0; i < 300_000; i++) parser.parse(byte, 0, 1);
    t.ok(performance.now() - started < 3000, 'no quadratic copying');
    t.end();
  });
  t.end();
});
