// RuntimeLayers: which layer wins, who waits for one that is discovered, what is sent to workers, what the operator may write.
import t from 'tap';

import type { RuntimeLayerConfig } from '../../../proxy/config/bootstrap-config.ts';
import { RuntimeLayers } from '../../../proxy/server/runtime-layers.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { captureLog } from '../../support/captured-log.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { statId } from '../xds/recording-watchers.ts';

const values = (object: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(object));

const STATIC: RuntimeLayerConfig = {
  name: 'static',
  kind: 'static',
  values: values({ a: '1', b: '1' }),
};
const DISCOVERED: RuntimeLayerConfig = {
  name: 'discovered',
  kind: 'rtds',
  values: values({}),
  rtds: { name: 'r', source: { kind: 'ads' }, initialFetchTimeoutMs: 2000 },
};
const ADMIN: RuntimeLayerConfig = { name: 'admin', kind: 'admin', values: values({}) };

function setUp(...layers: readonly RuntimeLayerConfig[]) {
  const time = new SimulatedTime();
  const stats = new StatsStore();
  const published: Readonly<Record<string, string>>[] = [];
  let settled = 0;
  const runtime = new RuntimeLayers({
    layers,
    sink: { publishRuntime: (merged) => void published.push(Object.fromEntries(merged)) },
    onSettled: () => void settled++,
    time,
    stats,
    log: captureLog().logger,
  });
  const wanted: string[] = [];
  runtime.start((refs) => wanted.push(...refs.keys()));
  const come = (object: Readonly<Record<string, string>>): void => {
    const config = { name: 'r', version: 'v', values: values(object) };
    runtime.watcher.onUpdate([{ name: 'r', version: 'v', config, raw: new Uint8Array() }], []);
  };
  const stat = (name: string): number => stats.value(statId(stats, `runtime.${name}`));
  return { time, runtime, published, wanted, come, stat, settled: () => settled };
}

t.test('RuntimeLayers', (t) => {
  t.test('a later layer wins, and what it no longer has falls back', (t) => {
    const { runtime, published, wanted, come, stat } = setUp(STATIC, DISCOVERED, ADMIN);
    t.same(wanted, ['r']);
    t.equal(runtime.values.integer('a', 9), 1);
    come({ a: '2', c: '2' });
    t.equal(runtime.modify([['a', '3']]), true);
    come({ b: '4' });
    t.equal(runtime.modify([['a', '']]), true);
    runtime.watcher.onUpdate([], ['r']);
    t.same(published, [
      { a: '2', b: '1', c: '2' },
      { a: '3', b: '1', c: '2' },
      { a: '3', b: '4' },
      { a: '1', b: '4' },
      { a: '1', b: '1' },
    ]);
    t.equal(runtime.values.integer('a', 9), 1);
    t.same([stat('num_layers'), stat('num_keys'), stat('load_success')], [3, 2, 6]);
    t.end();
  });

  t.test('a layer that is discovered is waited for until it comes or is overdue', (t) => {
    const first = setUp(DISCOVERED);
    t.equal(first.runtime.missing, 1);
    first.come({});
    t.same([first.runtime.missing, first.settled()], [0, 1]);
    const late = setUp(DISCOVERED);
    late.time.advance(1999);
    t.equal(late.runtime.missing, 1);
    late.time.advance(1);
    t.same([late.runtime.missing, late.settled(), late.stat('init_fetch_timeout')], [0, 1, 1]);
    const refused = setUp(DISCOVERED);
    refused.runtime.watcher.onRejected?.([
      { name: 'r', version: 'v', message: 'no', raw: new Uint8Array() },
    ]);
    t.same([refused.runtime.missing, refused.stat('update_rejected')], [0, 1]);
    t.end();
  });

  t.test('nothing is written where no layer is for it', (t) => {
    const { runtime, published } = setUp(STATIC);
    t.equal(runtime.modify([['a', '3']]), false);
    t.same([published, runtime.missing], [[], 0]);
    t.end();
  });
  t.end();
});
