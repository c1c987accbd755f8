// HPACK's reading side: RFC 7541 appendix C, what is no header block, the table's size, verdicts on names and values.
import t from 'tap';

import { BAD_NAME, BAD_VALUE, HpackDecoder } from '../../../../proxy/http/http2/hpack-decoder.ts';
import { block } from '../../../support/http2-frames.ts';

interface Outcome {
  readonly ok: boolean;
  readonly lines: readonly string[];
  readonly faults: number;
}

function decode(decoder: HpackDecoder, hex: string | Buffer): Outcome {
  const bytes = typeof hex === 'string' ? Buffer.from(hex.replaceAll(' ', ''), 'hex') : hex;
  const lines: string[] = [];
  let faults = 0;
  const ok = decoder.decode(bytes, 0, bytes.length, {
    onHeader: (name, value, fault) => {
      lines.push(`${name.text}: ${value}`);
      faults |= fault;
    },
  });
  return { ok, lines, faults };
}

const FIRST = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const SECOND = [...FIRST, 'cache-control: no-cache'];
const THIRD = [
  ':method: GET',
  ':scheme: https',
  ':path: /index.html',
  ':authority: www.example.com',
  'custom-key: custom-value',
];
const DATE1 = 'date: Mon, 21 Oct 2013 20:13:21 GMT';
const LOCATION = 'location: https://www.example.com';
const REPLIES = [
  [':status: 302', 'cache-control: private', DATE1, LOCATION],
  [':status: 307', 'cache-control: private', DATE1, LOCATION],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    LOCATION,
    'content-encoding: gzip',
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

/** Blocks of one connection, then the entries and the size of its table. */
const vectors: readonly [
  name: string,
  tableBytes: number,
  blocks: readonly (readonly [hex: string, lines: readonly string[]])[],
  after: readonly [entries: number, bytes: number],
][] = [
  [
    'C.2.1 a literal that is indexed',
    4096,
    [
      [
        '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        ['custom-key: custom-header'],
      ],
    ],
    [1, 55],
  ],
  [
    'C.2.2 a literal that is not',
    4096,
    [['040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path']]],
    [0, 0],
  ],
  [
    'C.2.3 a literal that never is',
    4096,
    [['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret']]],
    [0, 0],
  ],
  ['C.2.4 an index', 4096, [['82', [':method: GET']]], [0, 0]],
  [
    'C.3 requests',
    4096,
    [
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', FIRST],
      ['8286 84be 5808 6e6f 2d63 6163 6865', SECOND],
      ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', THIRD],
    ],
    [3, 164],
  ],
  [
    'C.4 requests, packed',
    4096,
    [
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', FIRST],
      ['8286 84be 5886 a8eb 1064 9cbf', SECOND],
      ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', THIRD],
    ],
    [3, 164],
  ],
  [
    'C.5 responses that evict',
    256,
    [
      [
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        REPLIES[0]!,
      ],
      ['4803 3330 37c1 c0bf', REPLIES[1]!],
      [
        '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
        REPLIES[2]!,
      ],
    ],
    [3, 215],
  ],
  [
    'C.6 responses that evict, packed',
    256,
    [
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        REPLIES[0]!,
      ],
      ['4883 640e ffc1 c0bf', REPLIES[1]!],
      [
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
        REPLIES[2]!,
      ],
    ],
    [3, 215],
  ],
];

const broken: readonly [what: string, hex: string][] = [
  ['index 0', '80'],
  ['an index behind both tables', 'be'],
  ['a name index behind both tables', '7e0161'],
  ['an index that is cut off', 'ff'],
  ['an index without end', 'ffffffffffffffffffffffff'],
  ['a name length without end', '007fffffffffff'],
  ['a name that is cut off', '000561'],
  ['a value that is cut off', '00016105 61'],
  ['a name without a value', '000161'],
  ['a name that is no code', '0084ffffffff0161'],
  ['a value that is no code', '00016184ffffffff'],
  ['a table larger than allowed', '3fe21f'],
  ['a size update behind a line', '8220'],
  ['a size update that is cut off', '3f'],
];

const verdicts: readonly [what: string, name: string, value: string, faults: number][] = [
  ['plain text', 'a-b', 'c d', 0],
  ['every token character', "!#$%&'*+-.^_`|~09az", 'v', 0],
  ['a pseudo header', ':path', '/', 0],
  ['an upper-case name', 'Ab', 'v', BAD_NAME],
  ['an empty name', '', 'v', BAD_NAME],
  ['a name with a blank', 'a b', 'v', BAD_NAME],
  ['a name with a colon inside', 'a:b', 'v', BAD_NAME],
  ['a name with NUL', 'a\0', 'v', BAD_NAME],
  ['a name with a byte above 127', 'a\xe9', 'v', BAD_NAME],
  ['a value with CR', 'a', 'b\rc', BAD_VALUE],
  ['a value with LF', 'a', 'b\nc', BAD_VALUE],
  ['a value with NUL', 'a', 'b\0c', BAD_VALUE],
  ['a value with DEL', 'a', '\x7f', BAD_VALUE],
  ['a value with a tab and bytes above 127', 'a', 'b\t\xe9', 0],
  ['an empty value', 'a', '', 0],
];

t.test('HpackDecoder', (t) => {
  for (const [name, tableBytes, blocks, [entries, bytes]] of vectors) {
    t.test(`reads RFC 7541 ${name}`, (t) => {
      const decoder = new HpackDecoder(tableBytes);
      for (const [hex, lines] of blocks)
        t.strictSame(decode(decoder, hex), { ok: true, lines, faults: 0 });
      t.equal(decoder.entryCount, entries);
      t.equal(decoder.tableBytes, bytes);
      t.end();
    });
  }
  for (const [what, hex] of broken) {
    t.test(`refuses ${what}`, (t) => {
      t.equal(decode(new HpackDecoder(4096), hex).ok, false);
      t.end();
    });
  }
  for (const [what, name, value, faults] of verdicts) {
    t.test(`judges ${what}`, (t) => {
      const got = decode(new HpackDecoder(4096), block([[name, value]]));
      t.equal(got.ok, true);
      t.equal(got.faults, faults);
      t.end();
    });
  }
  t.test('remembers the verdict with the entry', (t) => {
    const decoder = new HpackDecoder(4096);
    // `A: b` and `c: <LF>`, both indexed, then used by index and by name.
    t.equal(decode(decoder, '40 01 41 01 62').faults, BAD_NAME);
    t.equal(decode(decoder, 'be').faults, BAD_NAME);
    t.equal(decode(decoder, '7e 01 62').faults, BAD_NAME);
    t.equal(decode(decoder, '40 01 63 01 0a').faults, BAD_VALUE);
    t.equal(decode(decoder, 'be').faults, BAD_VALUE);
    t.strictSame(decode(decoder, '7e 01 62'), { ok: true, lines: ['c: b'], faults: 0 });
    t.end();
  });
  t.test('counts the bytes of each line, of bad ones too', (t) => {
    const sizes: number[] = [];
    const bytes = Buffer.concat([
      block([['abc', 'de']]),
      block([['A B', 'xyz']]),
      Buffer.from([0x82]),
    ]);
    new HpackDecoder(4096).decode(bytes, 0, bytes.length, {
      onHeader: (_name, _value, _faults, size) => void sizes.push(size),
    });
    t.strictSame(sizes, [5, 6, 10]);
    t.end();
  });
  t.test('keeps its table within the limit, whatever is inserted', (t) => {
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 5000; i++) {
      const value = 'v'.repeat(i % 97);
      const bytes = Buffer.concat([
        Buffer.from([0x40, 1, 0x61 + (i % 26), value.length]),
        Buffer.from(value),
      ]);
      decode(decoder, bytes);
      if (decoder.tableBytes > 4096 || decoder.entryCount > 128) t.fail(`after ${i}`);
    }
    t.ok(decoder.entryCount > 10);
    t.end();
  });
  t.test('forgets all for an entry larger than the table, and shrinks when told', (t) => {
    const decoder = new HpackDecoder(100);
    decode(decoder, '40 01 61 01 62');
    t.equal(decoder.entryCount, 1);
    decode(decoder, Buffer.concat([Buffer.from([0x40, 1, 0x62, 100]), Buffer.alloc(100, 'x')]));
    t.equal(decoder.entryCount, 0);
    decode(decoder, '40 01 61 01 62');
    t.equal(decode(decoder, '20').ok, true);
    t.equal(decoder.entryCount, 0);
    t.equal(decode(decoder, '3f 45').ok, true, 'up to the limit again');
    t.equal(decode(decoder, '20 3f 45 82').ok, true, 'two updates before the first line');
    t.end();
  });
  t.test('stands random bytes', (t) => {
    let seed = 1;
    for (let round = 0; round < 3000; round++) {
      const decoder = new HpackDecoder(4096);
      const bytes = Buffer.alloc(round % 64);
      for (let i = 0; i < bytes.length; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        bytes[i] = seed >>> 16;
      }
      decode(decoder, bytes);
      if (decoder.tableBytes > 4096) t.fail('table');
    }
    t.end();
  });
  t.end();
});
