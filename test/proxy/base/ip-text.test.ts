// ipFamily() beside node:net's isIP().
import { isIP } from 'node:net';
import t from 'tap';
import { ipFamily } from '../../../proxy/base/ip-text.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';

const TEXTS = [
  '',
  '1.2.3.4',
  '0.0.0.0',
  '255.255.255.255',
  '256.1.1.1',
  '01.2.3.4',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.4 ',
  '1..3.4',
  '::',
  ':',
  ':::',
  '::1',
  '1::',
  '1:',
  '1::2::3',
  '1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '1:2:3:4::5:6:7:8',
  '::ffff:10.0.0.1',
  '::FFFF:10.0.0.256',
  '::10.0.0.1:1',
  '1:2:3:4:5:6:1.2.3.4',
  '1:2:3:4:5:6:7:1.2.3.4',
  '1:2:3:4:5::1.2.3.4',
  '12345::',
  'g::',
  'fe80::1%eth0',
  'fe80::1%',
  'fe80::1%a%b',
  'fe80::1%eth0.1:2-3',
  '1.2.3.4%eth0',
  '[::1]',
  'reviews.default',
];

const ALPHABET = '0129afG:.%x-';

t.test('says what Node says', async (t) => {
  for (const text of TEXTS) t.equal(ipFamily(text), isIP(text), `'${text}'`);
});

t.test('also of texts with something put in, taken out or changed', async (t) => {
  const random = new SeededRandom(7);
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const wrong: string[] = [];
  for (let round = 0; round < 20_000; round++) {
    let text = TEXTS[below(TEXTS.length)]!;
    for (let change = below(3); change >= 0; change--) {
      const at = below(text.length + 1);
      const put = below(3) === 0 ? '' : ALPHABET[below(ALPHABET.length)]!;
      text = text.slice(0, at) + put + text.slice(at + below(2));
    }
    if (ipFamily(text) !== isIP(text)) wrong.push(text);
  }
  t.same(wrong, []);
});
