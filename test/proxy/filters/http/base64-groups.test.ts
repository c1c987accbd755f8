// Base64 in pieces: the same bytes however it is cut, and nothing that another reader would read otherwise.
import t from 'tap';
import { Base64Groups } from '../../../../proxy/filters/http/base64-groups.ts';

function decode(text: string, size: number): string | null {
  const groups = new Base64Groups();
  let bytes = '';
  for (let at = 0; at < text.length; at += size) {
    const part = groups.push(Buffer.from(text.slice(at, at + size), 'latin1'));
    if (part === null) return null;
    bytes += part.toString('latin1');
  }
  return groups.incomplete ? 'incomplete' : bytes;
}

const cases: readonly [text: string, bytes: string | null][] = [
  ['', ''],
  ['AAAA', '\0\0\0'],
  ['aGVsbG8=', 'hello'],
  ['aGVsbA==aGVsbG8=aGVs', 'hellhellohel'],
  ['aGVsbG8', 'incomplete'],
  ['aGVsbG9=', null],
  ['aG=sbG8=', null],
  ['====', null],
  ['aGVs\nbG8=', null],
  ['aGV-bG8_', null],
];

t.test('Base64Groups', (t) => {
  for (const [text, bytes] of cases)
    for (const size of [1, 2, 3, 4, 5, 7, 100])
      t.equal(decode(text, size), bytes, `${JSON.stringify(text)} in pieces of ${size}`);
  t.end();
});
