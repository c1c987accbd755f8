// BodyDecoder: lengths, chunks and their abuses, cut at every byte.
import t from 'tap';
import { BodyDecoder } from '../../../../proxy/http/http1/body-decoder.ts';

const limits = { maxBytes: 4096, maxCount: 10, underscores: 'ALLOW' as const };

interface Outcome {
  readonly body: string;
  readonly state: string;
  readonly rest: string;
}

function decode(
  start: (decoder: BodyDecoder) => void,
  text: string,
  cuts: readonly number[],
): Outcome {
  const decoder = new BodyDecoder(limits);
  start(decoder);
  const bytes = Buffer.from(text, 'latin1');
  let body = '';
  let rest = '';
  let from = 0;
  for (const end of [...cuts, bytes.length]) {
    const chunk = Buffer.from(bytes.subarray(from, end));
    const used =
      decoder.done || decoder.error !== null
        ? 0
        : decoder.decode(chunk, 0, chunk.length, {
            onBody: (part) => (body += part.latin1Slice(0, part.length)),
          });
    rest += chunk.latin1Slice(used, chunk.length);
    from = end;
  }
  const trailers = decoder.trailers?.trailers;
  const trailerText =
    trailers === undefined || trailers.size === 0
      ? ''
      : ` trailers=${trailers.nameAt(0).text}:${trailers.valueAt(0)}`;
  if (decoder.error !== null) return { body: '', state: decoder.error.details, rest: '' };
  return { body, state: (decoder.done ? 'done' : 'more') + trailerText, rest };
}

const chunked = (decoder: BodyDecoder): void => decoder.startChunked();

const cases: readonly [name: string, text: string, body: string, state: string, rest?: string][] = [
  ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello', 'done'],
  [
    'several chunks and what follows',
    '2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET',
    'hello',
    'done',
    'GET',
  ],
  [
    'hex digits of both cases and leading zeros',
    '00A\r\n0123456789\r\n0\r\n\r\n',
    '0123456789',
    'done',
  ],
  ['an extension', '2;a=b\r\nhi\r\n0;x\r\n\r\n', 'hi', 'done'],
  ['a trailing space behind the size', '2 \r\nhi\r\n0\r\n\r\n', 'hi', 'done'],
  ['trailers', '2\r\nhi\r\n0\r\nX-T: v\r\n\r\n', 'hi', 'done trailers=x-t:v'],
];

const broken: readonly [name: string, text: string][] = [
  ['a size with 0x', '0x2\r\nhi\r\n'],
  ['a signed size', '+2\r\nhi\r\n'],
  ['a negative size', '-2\r\nhi\r\n'],
  ['a leading space', ' 2\r\nhi\r\n'],
  ['an underscore in the size', '0_2\r\nhi\r\n'],
  ['no size at all', '\r\nhi\r\n'],
  ['a size beyond 2^52', '20000000000000\r\n'],
  ['a size line ended by bare LF', '2\nhi\r\n'],
  ['a lone CR in an extension', '2;a\rb\r\nhi\r\n'],
  ['a bare LF in an extension', '2;a\nb\r\nhi\r\n'],
  ['chunk data ended by bare LF', '2\r\nhi\n0\r\n\r\n'],
  ['two arbitrary bytes behind chunk data', '2\r\nhiXX0\r\n\r\n'],
  ['more data than announced', '2\r\nhiho\r\n0\r\n\r\n'],
  ['a broken trailer', '0\r\nbad trailer\r\n\r\n'],
];

t.test('BodyDecoder', (t) => {
  for (const [name, text, body, state, rest] of cases) {
    t.test(`reads ${name}, cut anywhere`, (t) => {
      const expected = { body, state, rest: rest ?? '' };
      t.strictSame(decode(chunked, text, []), expected);
      for (let cut = 1; cut < text.length; cut++) {
        const got = decode(chunked, text, [cut]);
        if (JSON.stringify(got) !== JSON.stringify(expected))
          t.strictSame(got, expected, `cut at ${cut}`);
      }
      t.end();
    });
  }
  for (const [name, text] of broken) {
    t.test(`refuses ${name}, cut anywhere`, (t) => {
      t.equal(decode(chunked, text, []).state, 'http1.codec_error');
      for (let cut = 1; cut < text.length; cut++) {
        const got = decode(chunked, text, [cut]).state;
        if (got !== 'http1.codec_error') t.equal(got, 'http1.codec_error', `cut at ${cut}`);
      }
      t.end();
    });
  }
  t.test('ends a body of known length exactly', (t) => {
    const start = (decoder: BodyDecoder): void => decoder.startLength(5);
    for (let cut = 1; cut < 8; cut++) {
      t.strictSame(decode(start, 'helloGET', [cut]), { body: 'hello', state: 'done', rest: 'GET' });
    }
    t.equal(decode(start, 'hell', []).state, 'more');
    t.end();
  });
  t.test('reads until close where nothing else is said', (t) => {
    t.strictSame(
      decode((decoder) => decoder.startUntilClose(), 'abc', [1]),
      { body: 'abc', state: 'more', rest: '' },
    );
    t.end();
  });
  t.test('bounds extensions and trailers', (t) => {
    t.equal(decode(chunked, `1;${'a'.repeat(20_000)}`, []).state, 'http1.codec_error');
    t.equal(
      decode(chunked, `0\r\nA: ${'b'.repeat(5000)}\r\n\r\n`, []).state,
      'http1.headers_too_large',
    );
    t.end();
  });
  t.end();
});
