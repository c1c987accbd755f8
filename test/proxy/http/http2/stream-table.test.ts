// StreamTable beside a Map: random streams come and go, with numbers that collide.
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { StreamTable } from '../../../../proxy/http/http2/stream-table.ts';
import type { Http2Stream } from '../../../../proxy/http/http2/stream.ts';

const stream = (id: number): Http2Stream => ({ id }) as unknown as Http2Stream;

t.test('StreamTable', (t) => {
  for (const [what, step] of [
    ['one after the other', 2],
    ['at the same places', 2048],
    ['at places side by side', 34],
  ] as const) {
    t.test(`holds streams that come ${what}`, (t) => {
      const table = new StreamTable();
      const wanted = new Map<number, Http2Stream>();
      const random = new SeededRandom(step);
      let next = 1;
      for (let round = 0; round < 20_000; round++) {
        const ids = [...wanted.keys()];
        if (ids.length < 40 && random.next() < 0.55) {
          const added = stream(next);
          table.add(next, added);
          wanted.set(next, added);
          next += step;
        } else if (ids.length > 0) {
          const id = ids[random.nextUint32() % ids.length]!;
          if (!table.delete(id)) t.fail(`${id} was not there`);
          wanted.delete(id);
        }
        if (table.size !== wanted.size) t.fail(`size ${table.size}, not ${wanted.size}`);
        for (const [id, present] of wanted) if (table.get(id) !== present) t.fail(`${id} is lost`);
        if (table.get(next) !== undefined || table.delete(next)) t.fail('one too many');
      }
      t.same(
        table
          .all()
          .map(({ id }) => id)
          .toSorted((a, b) => a - b),
        [...wanted.keys()].toSorted((a, b) => a - b),
      );
      t.end();
    });
  }
  t.test('knows no stream without a number', (t) => {
    const table = new StreamTable();
    t.equal(table.delete(0), false);
    t.equal(table.get(0), undefined);
    t.equal(table.size, 0);
    t.end();
  });
  t.end();
});
