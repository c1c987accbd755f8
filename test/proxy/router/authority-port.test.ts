// [b] Ports of authorities.
import t from 'tap';
import { portStart } from '../../../proxy/router/authority-port.ts';

t.test('portStart', async (t) => {
  t.test('finds the last colon outside of brackets', async (t) => {
    const cases: [string, number][] = [
      ['h', -1],
      ['h:80', 1],
      ['h:', 1],
      ['h:8x', 1],
      ['[::1]', -1],
      ['[::1]:80', 5],
      ['::1', 1],
      ['80', -1],
      ['', -1],
    ];
    for (const [host, expected] of cases) t.equal(portStart(host), expected, host);
  });
});
