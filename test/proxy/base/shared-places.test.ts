// SharedPlaces: a name has one place in all workers as long as somebody counts there, and gives it back after.
import v8 from 'node:v8';
import vm from 'node:vm';
import t from 'tap';

import { SharedPlaces, sharedPlacesBuffer } from '../../../proxy/base/shared-places.ts';
import { eventually } from '../../support/eventually.ts';

/** As many as are looked at: whichever is free is found. */
const PLACES = 64;

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

function start(): { buffer: SharedArrayBuffer; workers: readonly [SharedPlaces, SharedPlaces] } {
  const buffer = sharedPlacesBuffer(PLACES, 2);
  return {
    buffer,
    workers: [new SharedPlaces(buffer, PLACES, 0), new SharedPlaces(buffer, PLACES, 1)],
  };
}

/** The places of so many names, and who holds them. */
function fill(
  places: SharedPlaces,
  prefix: string,
  count: number,
): { places: number[]; holders: object[] } {
  const holders = Array.from({ length: count }, () => ({}));
  return { places: holders.map((holder, i) => places.hold(`${prefix}${i}`, holder)), holders };
}

t.test('names that nobody holds any more give their places to others', async (t) => {
  const { workers } = start();
  const [first, second] = workers;
  const kept = fill(first, 'kept', 10);
  let dropped: object[] | null = fill(first, 'dropped', PLACES - 10).holders;
  t.equal(new Set(kept.places).size, 10);
  t.equal(second.hold('kept3', kept), kept.places[3], 'the same in another worker');
  t.equal(second.hold('new', {}), -1, 'full');
  const counted = first.hold('dropped0', kept);
  Atomics.add(first.counts, first.row + counted, 1);
  t.ok(dropped);
  dropped = null;
  const late: object[] = [];
  const places = new Set<number>();
  await eventually('places are free', () => {
    collect();
    const holder = {};
    const place = second.hold(`late${late.length}`, holder);
    if (place >= 0) {
      late.push(holder);
      places.add(place);
    }
    return late.length === PLACES - 11;
  });
  t.equal(places.size, PLACES - 11);
  t.notOk(
    kept.places.some((place) => places.has(place)),
    'what is held stays',
  );
  t.notOk(places.has(counted), 'and so does what is counted');
  t.equal(second.hold('one more', {}), -1);
  t.equal(kept.holders.length, 10);
});

t.test('a worker that died holds nothing', (t) => {
  const { buffer, workers } = start();
  const [first, second] = workers;
  const both = fill(first, 'both', 5);
  fill(second, 'both', 5);
  const own = fill(second, 'own', PLACES - 5);
  for (const place of own.places) Atomics.add(second.counts, second.row + place, 1);
  t.equal(first.hold('new', both), -1);
  Atomics.store(new Int32Array(buffer), 0, 2);
  t.equal(first.hold('both0', both), -1, 'it died while it looked for a place');
  new SharedPlaces(buffer, PLACES, 1).clear();
  t.equal(first.hold('both0', both), both.places[0], 'what others hold stays');
  const late = fill(first, 'late', PLACES - 5);
  t.equal(new Set([...both.places, ...late.places]).size, PLACES);
  t.notOk(late.places.includes(-1));
  t.end();
});
