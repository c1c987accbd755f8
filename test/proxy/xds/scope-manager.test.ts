// Scoped routes: what their configuration may say; who waits for scopes that are discovered, what conflicts mean, and which tables a
// listener then names.
import t from 'tap';

import { routeRefsOf } from '../../../proxy/listener-manager/listener-comparison.ts';
import type { ScopeConfig } from '../../../proxy/config/scoped-routes-config.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import type { ResourceWatcher, XdsResource } from '../../../proxy/xds/resource-watcher.ts';
import { ScopeManager } from '../../../proxy/xds/scope-manager.ts';
import { captureLog } from '../../support/captured-log.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { listener, managerListener, problemsOf } from './decoding.ts';
import type { Json } from './decoding.ts';
import { statId } from './recording-watchers.ts';

const BY_INDEX = { header_value_extractor: { name: 'x', index: 0 } };
const ADS = { ads: {}, initial_fetch_timeout: '2s' };

const scoped = (changes: Json = {}): Json =>
  managerListener({
    route_config: null,
    scoped_routes: {
      name: 's',
      scope_key_builder: { fragments: [BY_INDEX] },
      rds_config_source: ADS,
      scoped_rds: { scoped_rds_config_source: ADS },
      ...changes,
    },
  });

const resource = (name: string, key: string, table: string): XdsResource<ScopeConfig> => ({
  name,
  version: 'v1',
  config: { name, key: [key], table },
  raw: new Uint8Array(),
});

function setUp() {
  const time = new SimulatedTime();
  const stats = new StatsStore();
  const watchers: ResourceWatcher<ScopeConfig>[] = [];
  const events = { closed: 0, settled: 0 };
  const manager = new ScopeManager({
    open: (_ref, watcher) => {
      watchers.push(watcher);
      return { close: () => void events.closed++ };
    },
    onSettled: () => void events.settled++,
    sourceProblem: () => undefined,
    time,
    stats,
    log: captureLog().logger,
  });
  const stat = (name: string): number =>
    stats.value(statId(stats, `http.test.scoped_rds.s.${name}`));
  return { time, manager, watchers, events, stat };
}

t.test('scopes that are discovered', (t) => {
  t.test('are waited for, and bring the tables they name', (t) => {
    const { time, manager, watchers, events, stat } = setUp();
    const config = listener(scoped());
    manager.retain(config);
    t.equal(manager.ready(config), false);
    watchers[0]!.onUpdate([resource('a', '1', 'ta'), resource('b', '2', 'tb')], []);
    t.equal(manager.ready(config), true);
    const filled = manager.filled(config);
    t.same(
      routeRefsOf(filled).map(({ name }) => name),
      ['ta', 'tb'],
    );
    t.not(filled.filterChains[0]!.hash, config.filterChains[0]!.hash);
    watchers[0]!.onUpdate([], ['b']);
    t.same(
      routeRefsOf(manager.filled(config)).map(({ name }) => name),
      ['ta'],
    );
    t.same([stat('all_scopes'), stat('update_success'), events.settled], [1, 2, 2]);
    manager.release(config);
    t.equal(events.closed, 1);
    const overdue = listener(scoped({ name: 't' }));
    manager.retain(overdue);
    time.advance(2000);
    t.equal(manager.ready(overdue), true);
    t.end();
  });

  t.test('of which two have one key: the one that was there stays', (t) => {
    const { manager, watchers, stat } = setUp();
    const config = listener(scoped());
    manager.retain(config);
    watchers[0]!.onUpdate([resource('a', '1', 'ta')], []);
    t.match(watchers[0]!.onUpdate([resource('b', '1', 'tb')], []), [
      {
        name: 'b',
        message: "scope key conflict found, first scope is 'a', second scope is 'b'",
      },
    ]);
    t.same(
      routeRefsOf(manager.filled(config)).map(({ name }) => name),
      ['ta'],
    );
    t.equal(stat('update_rejected'), 1);
    t.same(watchers[0]!.onUpdate([resource('b', '1', 'tb')], ['a']), [], 'unless it goes');
    t.end();
  });

  t.test('are looked at a few times each, however many come, and may change their keys', (t) => {
    const { manager, watchers } = setUp();
    manager.retain(listener(scoped()));
    let looks = 0;
    const counted = (name: string, key: string): XdsResource<ScopeConfig> => ({
      ...resource(name, '', 't'),
      config: {
        name,
        get key() {
          looks++;
          return [key];
        },
        table: 't',
      },
    });
    const all = Array.from({ length: 1000 }, (_, i) => counted(`s${i}`, `k${i}`));
    t.same(watchers[0]!.onUpdate(all, []), []);
    t.ok(looks <= 5 * all.length, `${looks} looks`);
    t.same(watchers[0]!.onUpdate([counted('s0', 'new'), counted('s1', 'k0')], []), []);
    t.same(
      watchers[0]!.onUpdate([counted('s2', 'k0')], []).map(({ name }) => name),
      ['s2'],
      'it is s1 that has it now',
    );
    t.same(watchers[0]!.onUpdate([counted('s3', 'k1')], []), [], 'nobody has it any more');
    t.end();
  });

  t.test('cost nothing where none are', (t) => {
    const { manager } = setUp();
    const config = listener(managerListener());
    manager.retain(config);
    t.equal(manager.filled(config), config);
    t.equal(manager.ready(config), true);
    t.end();
  });
  t.end();
});

t.test('what scoped routes may not say', (t) => {
  const key = { fragments: [{ string_key: '1' }] };
  const list = (...scopes: readonly Json[]): Json => ({
    scoped_rds: null,
    scoped_route_configurations_list: { scoped_route_configurations: scopes },
  });
  const inline = (name: string): Json => ({ name, key, route_configuration: {} });
  const fragment = (extractor: Json): Json => ({
    scope_key_builder: { fragments: [{ header_value_extractor: { name: 'x', ...extractor } }] },
  });
  const rows: readonly (readonly [Json, RegExp])[] = [
    [{ name: '' }, /scoped_routes\.name: is required/],
    [{ rds_config_source: null }, /rds_config_source: is required/],
    [{ scoped_rds: null }, /one of scoped_route_configurations_list, scoped_rds is required/],
    [{ scope_key_builder: {} }, /fragments: at least one/],
    [fragment({}), /one of index, element is required/],
    [fragment({ index: 1 }), /Index > 0 for empty string element separator/],
    [fragment({ element: { key: 'k' } }), /separator: is required/],
    [list(inline('a'), inline('a')), /duplicate scoped route configuration 'a' found/],
    [list(inline('a'), inline('b')), /scope key conflict found, first scope is 'a'/],
    [list({ name: 'a', key, route_configuration_name: 'r' }), /not supported with inline scoped/],
  ];
  for (const [changes, problem] of rows)
    t.match(problemsOf(() => listener(scoped(changes))).join('\n'), problem);
  t.same(
    problemsOf(() => listener(scoped(list(inline('a'))))),
    [],
  );
  t.end();
});
