// Huffman coding: strings of RFC 7541's appendix, every byte, random strings, and what is no code.
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import {
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
  maxDecodedBytes,
} from '../../../../proxy/http/http2/huffman.ts';

const encode = (text: string): Buffer => {
  const out = Buffer.alloc(huffmanLength(text));
  huffmanEncode(text, out, 0);
  return out;
};

const decode = (bytes: Buffer): string | null => {
  const out = Buffer.alloc(maxDecodedBytes(bytes.length));
  const length = huffmanDecode(bytes, 0, bytes.length, out);
  return length < 0 ? null : out.latin1Slice(0, length);
};

const vectors: readonly [text: string, hex: string][] = [
  ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
  ['no-cache', 'a8eb10649cbf'],
  ['custom-key', '25a849e95ba97d7f'],
  ['custom-value', '25a849e95bb8e8b4bf'],
  ['302', '6402'],
  ['private', 'aec3771a4b'],
  ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
  ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
  ['gzip', '9bd9ab'],
];

const broken: readonly [what: string, hex: string][] = [
  ['a byte of padding', 'a8eb10649cbfff'],
  ['padding of zeros', '640200'],
  ['padding of 8 bits and nothing else', 'ff'],
  ['the end symbol', 'ffffffff'],
  ['the end symbol behind text', '6402ffffffff'],
];

t.test('Huffman coding', (t) => {
  for (const [text, hex] of vectors) {
    t.test(`of '${text}' is the RFC's, both ways`, (t) => {
      t.equal(encode(text).toString('hex'), hex);
      t.equal(decode(Buffer.from(hex, 'hex')), text);
      t.end();
    });
  }
  for (const [what, hex] of broken) {
    t.test(`refuses ${what}`, (t) => {
      t.equal(decode(Buffer.from(hex, 'hex')), null);
      t.end();
    });
  }
  t.test('brings back every byte and random strings', (t) => {
    for (let code = 0; code < 256; code++) {
      const text = String.fromCharCode(code).repeat(3);
      if (decode(encode(text)) !== text) t.fail(`byte ${code}`);
    }
    const random = new SeededRandom(7);
    for (let round = 0; round < 2000; round++) {
      let text = '';
      const length = random.nextUint32() % 60;
      for (let i = 0; i < length; i++) text += String.fromCharCode(random.nextUint32() % 256);
      if (decode(encode(text)) !== text) t.fail(JSON.stringify(text));
    }
    t.end();
  });
  t.test('never writes more than it said', (t) => {
    // Nothing but the shortest codes.
    const text = '0'.repeat(800);
    t.equal(decode(encode(text)), text);
    t.equal(maxDecodedBytes(encode(text).length), 800);
    t.end();
  });
  t.end();
});
