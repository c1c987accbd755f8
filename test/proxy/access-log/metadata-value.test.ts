// [w] Numbers of metadata as Envoy 1.40 prints them.
import t from 'tap';
import { numberText } from '../../../proxy/access-log/metadata-value.ts';

const rows: readonly (readonly [value: number, text: string])[] = [
  [0, '0'],
  [-0, '-0'],
  [0.1, '0.1'],
  [0.001, '0.001'],
  [0.0001, '1e-04'],
  [0.00012, '0.00012'],
  [0.0000314, '3.14e-05'],
  [-0.00001, '-1e-05'],
  [0.00000015, '1.5e-07'],
  [0.0000012345678, '1.2345678e-06'],
  [123456.789, '123456.789'],
  [120000, '120000'],
  [100000, '1e+05'],
  [9007199254740992, '9007199254740992'],
  [12345678901234567168, '12345678901234567168'],
  [1e22, '1e+22'],
  [1e100, '1e+100'],
  [Infinity, 'inf'],
  [-Infinity, '-inf'],
  [NaN, 'null'],
];

t.test('numberText', async (t) => {
  for (const [value, text] of rows) t.equal(numberText(value), text);
});
