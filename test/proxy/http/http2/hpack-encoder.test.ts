// HPACK's writing side: what recurs gets short, what changes pushes nobody out, sizes are told, nothing secret is kept.
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { HeaderMap } from '../../../../proxy/http/header-map.ts';
import { headerName } from '../../../../proxy/http/headers.ts';
import { HpackDecoder } from '../../../../proxy/http/http2/hpack-decoder.ts';
import { HpackEncoder, blockBound } from '../../../../proxy/http/http2/hpack-encoder.ts';
import type { Lines } from '../../../support/http2-frames.ts';

/** Both ends of one direction; every block is decoded again and compared. */
class Wire {
  readonly encoder = new HpackEncoder();
  readonly decoder = new HpackDecoder(65_536);

  /** Bytes of the block. */
  send(lines: Lines): Buffer {
    const map = new HeaderMap();
    for (const [name, value] of lines) map.push(headerName(name), value);
    const out = Buffer.alloc(200 + blockBound(map));
    const end = this.encoder.lines(out, this.encoder.beginBlock(out, 0), map);
    const got: string[] = [];
    const fine = this.decoder.decode(out, 0, end, {
      onHeader: (name, value) => void got.push(`${name.text}: ${value}`),
    });
    const wanted = lines.map(([name, value]) => `${name}: ${value}`);
    if (!fine || got.join('\n') !== wanted.join('\n'))
      throw new Error(`sent ${wanted.join(', ')}; got ${got.join(', ')}`);
    return out.subarray(0, end);
  }
}

const RECURRING: Lines = [
  ['server', 'envoy'],
  ['content-type', 'application/json'],
  ['x-custom', 'always the same'],
  ['vary', 'accept-encoding'],
];

t.test('HpackEncoder', (t) => {
  t.test('sends a line that recurs as one byte, from the third time on', (t) => {
    const wire = new Wire();
    const first = wire.send(RECURRING).length;
    wire.send(RECURRING);
    t.equal(wire.send(RECURRING).length, RECURRING.length);
    t.ok(first > 50);
    t.end();
  });
  t.test('does not let lines that change push the others out', (t) => {
    const wire = new Wire();
    for (let i = 0; i < 1000; i++) {
      const id = `${i * 7919}-4e3c-8b7c-0c1f4d1b7a10`;
      wire.send([...RECURRING, ['x-request-id', id], ['x-b3-spanid', id]]);
    }
    const steady = wire.send(RECURRING).length;
    t.equal(steady, RECURRING.length);
    t.ok(wire.decoder.entryCount <= RECURRING.length + 2, `${wire.decoder.entryCount} entries`);
    t.end();
  });
  t.test('takes up a value that changes now and then', (t) => {
    const wire = new Wire();
    let short = 0;
    for (let second = 0; second < 50; second++) {
      let length = 0;
      for (let i = 0; i < 20; i++)
        length = wire.send([...RECURRING, ['date', `Wed, ${second}`]]).length;
      if (length === RECURRING.length + 1) short++;
    }
    // A value that falls into the slot of a line in use stays a literal.
    t.ok(short >= 40, `${short} of 50`);
    t.end();
  });
  t.test('tells a smaller and a larger table, once', (t) => {
    const wire = new Wire();
    wire.send(RECURRING);
    wire.send(RECURRING);
    wire.encoder.setPeerTableBytes(0);
    t.equal(wire.send(RECURRING)[0], 0x20);
    t.equal(wire.decoder.entryCount, 0);
    wire.send(RECURRING);
    t.equal(wire.decoder.entryCount, 0, 'nothing is inserted into a table of nothing');
    wire.encoder.setPeerTableBytes(100);
    wire.encoder.setPeerTableBytes(50);
    wire.encoder.setPeerTableBytes(8192);
    const both = wire.send(RECURRING);
    t.equal(both.subarray(0, 2).toString('hex'), '3f13', 'the smallest since');
    t.equal(both.subarray(2, 5).toString('hex'), '3fe11f', 'then 4096, the most we use');
    t.not(wire.send(RECURRING)[0]! & 0xe0, 0x20);
    t.end();
  });
  for (const name of ['authorization', 'proxy-authorization', 'set-cookie']) {
    t.test(`never keeps ${name}`, (t) => {
      const wire = new Wire();
      for (let i = 0; i < 3; i++) t.equal(wire.send([[name, 'secret']])[0]! & 0xf0, 0x10);
      t.equal(wire.decoder.entryCount, 0);
      t.end();
    });
  }
  t.test('keeps no line that would fill half of the table', (t) => {
    const wire = new Wire();
    for (let i = 0; i < 3; i++) wire.send([['cookie', 'c'.repeat(3000)]]);
    t.equal(wire.decoder.entryCount, 0);
    t.end();
  });
  t.test('stays in step with the reader through random lists and sizes', (t) => {
    const wire = new Wire();
    const random = new SeededRandom(3);
    const names = [
      'user-agent',
      'cookie',
      'authorization',
      'x-foo',
      'x-bar',
      'content-length',
      'date',
    ];
    for (let round = 0; round < 5000; round++) {
      if (round % 100 === 99)
        wire.encoder.setPeerTableBytes([0, 100, 4096, 300, 65_536][round % 5]!);
      const lines: [string, string][] = [];
      for (let i = random.nextUint32() % 9; i > 0; i--) {
        const value = 'v'.repeat(random.nextUint32() % 200) + (random.nextUint32() % 6);
        lines.push([names[random.nextUint32() % names.length]!, value]);
      }
      wire.send(lines);
    }
    t.end();
  });
  t.test('writes values of any length', (t) => {
    const wire = new Wire();
    for (const length of [0, 1, 47, 48, 49, 126, 127, 128, 254, 255, 16_384, 100_000])
      wire.send([['x-long', 'x'.repeat(length)]]);
    t.end();
  });
  t.end();
});
