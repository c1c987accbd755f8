// DER that is not what it should be is refused, whatever a peer sends.
import t from 'tap';

import { DerError, DerReader, Tag, contextTag } from '../../../proxy/tls/der-reader.ts';

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');

t.test('DerReader', (t) => {
  t.test('reads nested elements', (t) => {
    const reader = new DerReader(bytes('30 08 02 01 05 0c 03 61 62 63'));
    const sequence = reader.expect(Tag.Sequence);
    t.strictSame([...sequence.expect(Tag.Integer).rest()], [5]);
    t.equal(sequence.optional(Tag.Integer), null);
    t.equal(sequence.expect(Tag.Utf8String).text(), 'abc');
    t.ok(sequence.done && reader.done);
    t.equal(sequence.peekTag(), 0);
    t.end();
  });

  t.test('reads object identifiers', (t) => {
    const cases: readonly (readonly [hex: string, text: string])[] = [
      ['06 03 55 1d 11', '2.5.29.17'],
      ['06 09 2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
      ['06 01 2a', '1.2'],
      ['06 02 88 37', '2.999'],
    ];
    for (const [hex, text] of cases)
      t.equal(new DerReader(bytes(hex)).expect(Tag.ObjectId).objectId(), text);
    t.end();
  });

  const malformed: readonly (readonly [what: string, hex: string])[] = [
    ['an element cut off', '30 05 02 01'],
    ['a length cut off', '30 82 01'],
    ['no length', '30'],
    ['an indefinite length', '30 80 02 01 05 00 00'],
    ['a length with a byte too many', '30 81 03 02 01 05'],
    ['a length with leading zeros', '30 82 00 03 02 01 05'],
    ['a length of five bytes', '30 85 00 00 00 00 03 02 01 05'],
    ['a length near 4 GB', '30 84 ff ff ff ff 02 01 05'],
    ['a tag of several bytes', '3f 81 01 00'],
    ['another tag', '31 03 02 01 05'],
  ];
  for (const [what, hex] of malformed) {
    t.test(`refuses ${what}`, (t) => {
      t.throws(() => new DerReader(bytes(hex)).expect(Tag.Sequence), DerError);
      t.end();
    });
  }

  t.test('refuses object identifiers that are padded, empty or cut off', (t) => {
    for (const hex of ['06 00', '06 02 80 01', '06 01 85', '06 09 ff ff ff ff ff ff ff ff 7f'])
      t.throws(() => new DerReader(bytes(hex)).expect(Tag.ObjectId).objectId(), DerError, hex);
    t.equal(contextTag(3, true), 0xa3);
    t.end();
  });
  t.end();
});
