// What is learned of a server's idle time-out: from what it announces, and from when it closes.
import t from 'tap';

import { IdleLimit } from '../../../../proxy/upstream/conn-pool/idle-limit.ts';

const HOUR_MS = 3_600_000;

type Sign =
  | { readonly closedAfterMs: number; readonly atMs: number }
  | { readonly announcedS: number };
const closed = (closedAfterMs: number, atMs: number): Sign => ({ closedAfterMs, atMs });

const rows: readonly (readonly [name: string, signs: readonly Sign[], limitMs: number])[] = [
  ['nothing is known', [], Infinity],
  ['one close proves nothing', [closed(1000, 0)], Infinity],
  ['two do, the second shortest counts', [closed(1000, 0), closed(1010, 5000)], 909],
  ['in any order', [closed(3000, 0), closed(1010, 1000), closed(1000, 5000)], 909],
  ['long ones leave a second at most', [closed(60_000, 0), closed(60_000, 500)], 59_000],
  ['short ones leave 20 ms at least', [closed(200, 0), closed(200, 500)], 180],
  [
    'shorter than that is no time-out',
    [closed(199, 0), closed(3, 500), closed(NaN, 900)],
    Infinity,
  ],
  ['what was announced counts at once', [{ announcedS: 5 }], 4500],
  ['for the shorter of both', [{ announcedS: 5 }, closed(1000, 0), closed(1000, 500)], 900],
  ['also after a longer close', [{ announcedS: 5 }, closed(9000, 0), closed(9000, 500)], 4500],
  [
    'a server that stops is no time-out',
    [closed(500, 0), closed(4000, 1), closed(900, 2)],
    Infinity,
  ],
  ['connections of one age may end together', [closed(1000, 0), closed(1001, 1)], 900.9],
  ['after an hour it is forgotten', [closed(1000, 0), closed(1000, HOUR_MS)], Infinity],
];

t.test('IdleLimit', (t) => {
  for (const [name, signs, limitMs] of rows) {
    const limit = new IdleLimit();
    for (const sign of signs) {
      if ('announcedS' in sign) limit.onAnnounced(sign.announcedS);
      else limit.onClosed(sign.closedAfterMs, sign.atMs);
    }
    t.equal(Math.round(limit.limitMs * 10) / 10, limitMs, name);
  }

  t.test('keeps the shortest of many', (t) => {
    const limit = new IdleLimit();
    for (let i = 0; i < 1000; i++) limit.onClosed(1000 + ((i * 37) % 500), i * 200);
    // Every 37th has the least.
    t.equal(limit.limitMs, 900);
    t.end();
  });
  t.end();
});
