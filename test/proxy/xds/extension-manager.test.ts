// ExtensionManager: who waits for which settings, what stands in place of a filter then, what is refused, and what is counted.
import t from 'tap';

import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { SubscriptionRef } from '../../../proxy/config/config-source.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { ExtensionManager } from '../../../proxy/xds/extension-manager.ts';
import { extensionType } from '../../../proxy/xds/resource-types.ts';
import type { XdsResource } from '../../../proxy/xds/resource-watcher.ts';
import type { ExtensionConfig } from '../../../proxy/config/extension-config.ts';
import { encode } from '../../../xds-protos/codec.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { captureLog } from '../../support/captured-log.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { statId } from './recording-watchers.ts';
import { listener, managerListener, managerOf, problemsOf, routerFilter } from './decoding.ts';
import type { Json } from './decoding.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const BUFFER = `${FILTERS}.buffer.v3.Buffer`;
const CORS = `${FILTERS}.cors.v3.Cors`;
const ROUTER = `${FILTERS}.router.v3.Router`;

const SOURCE = { ads: {}, initial_fetch_timeout: '2s' };
const buffer = (bytes: number): Json => ({ '@type': BUFFER, max_request_bytes: bytes });

const discovered = (changes: Json = {}, name = 'f'): Json => ({
  name,
  config_discovery: { config_source: SOURCE, type_urls: [BUFFER], ...changes },
});

const withFilters = (...filters: readonly Json[]): ListenerConfig =>
  listener(managerListener({ http_filters: filters }));

const EXTENSION = 'envoy.config.core.v3.TypedExtensionConfig';
function resource(name: string, typedConfig: Json): XdsResource<ExtensionConfig> {
  const raw = encode(EXTENSION, fromJson(EXTENSION, { name, typed_config: typedConfig }));
  const config = extensionType.parse(raw).toConfig('v1');
  return { name, version: 'v1', config, raw };
}

function setUp() {
  const time = new SimulatedTime();
  const stats = new StatsStore();
  const wanted: string[][] = [];
  let settled = 0;
  const manager = new ExtensionManager({
    onWanted: (refs: ReadonlyMap<string, SubscriptionRef>) => void wanted.push([...refs.keys()]),
    onSettled: () => void settled++,
    sourceProblem: () => undefined,
    compileProblem: () => undefined,
    time,
    stats,
    log: captureLog().logger,
  });
  const kinds = (config: ListenerConfig): readonly string[] =>
    managerOf(manager.filled(config)).httpFilters.map(({ settings }) => settings.kind);
  const stat = (name: string): number =>
    stats.value(statId(stats, `extension_config_discovery.http_filter.${name}`));
  return { time, manager, wanted, kinds, stat, settled: () => settled };
}

t.test('ExtensionManager', (t) => {
  t.test('a listener waits for what it names, and gets it in its place', (t) => {
    const { time, manager, wanted, kinds, stat } = setUp();
    const config = withFilters(discovered(), routerFilter);
    manager.retain(config);
    time.advance(1);
    t.same(wanted, [['f']]);
    t.equal(manager.ready(config), false);
    t.same(manager.watcher.onUpdate([resource('f', buffer(7))], []), []);
    t.equal(manager.ready(config), true);
    t.same(kinds(config), ['buffer', 'router']);
    const first = manager.filled(config);
    t.notSame(first.hash, config.hash);
    t.notSame(first.filterChains[0]!.hash, config.filterChains[0]!.hash);
    manager.watcher.onUpdate([resource('f', buffer(7))], []);
    t.equal(manager.filled(config).hash, first.hash, 'the same again is no other chain');
    manager.watcher.onUpdate([resource('f', buffer(8))], []);
    t.notSame(manager.filled(config).hash, first.hash);
    t.same([stat('f.config_reload'), stat('f.update_success')], [2, 3]);
    manager.release(config);
    time.advance(1);
    t.same(wanted.at(-1), []);
    t.end();
  });

  t.test('a listener that names none is left alone', (t) => {
    const { manager } = setUp();
    const config = withFilters(routerFilter);
    manager.retain(config);
    t.equal(manager.filled(config), config);
    t.equal(manager.ready(config), true);
    t.end();
  });

  t.test('what is overdue is the default, or missing', (t) => {
    const { time, manager, kinds, stat, settled } = setUp();
    const config = withFilters(
      discovered(),
      discovered({ default_config: buffer(1) }, 'g'),
      routerFilter,
    );
    manager.retain(config);
    time.advance(1999);
    t.equal(manager.ready(config), false);
    time.advance(1);
    t.equal(manager.ready(config), true);
    t.equal(settled(), 2);
    t.same(kinds(config), ['discovered', 'buffer', 'router']);
    t.same([stat('f.init_fetch_timeout'), stat('f.config_fail')], [1, 1]);
    t.end();
  });

  t.test('nobody waits where the default goes first', (t) => {
    const { manager, kinds } = setUp();
    const config = withFilters(
      discovered({ default_config: buffer(1), apply_default_config_without_warming: true }),
      routerFilter,
    );
    manager.retain(config);
    t.equal(manager.ready(config), true);
    t.same(kinds(config), ['buffer', 'router']);
    t.end();
  });

  t.test('what does not fit is refused, what was good stays', (t) => {
    const { manager, kinds, stat } = setUp();
    const config = withFilters(discovered({ type_urls: [BUFFER, ROUTER] }), routerFilter);
    manager.retain(config);
    manager.watcher.onUpdate([resource('f', buffer(1))], []);
    for (const [typed, problem] of [
      [{ '@type': CORS }, /type URL .*Cors but expect .*Buffer, .*Router\.$/],
      [{ '@type': ROUTER }, /terminal filter named f .* must be the last/],
    ] as const) {
      t.match(manager.watcher.onUpdate([resource('f', typed)], []), [
        { name: 'f', message: problem },
      ]);
      t.same(kinds(config), ['buffer', 'router']);
    }
    t.equal(stat('f.update_rejected'), 2);
    t.match(manager.dump('http')?.entries, [{ name: 'f', errorState: { version: 'v1' } }]);
    manager.watcher.onUpdate([], ['f']);
    t.same(kinds(config), ['discovered', 'router'], 'taken back');
    t.end();
  });

  t.test('one listener does not get what came for another', (t) => {
    const { manager, kinds } = setUp();
    const [one, two] = [
      withFilters(discovered(), routerFilter),
      withFilters(discovered({ type_urls: [CORS] }), routerFilter),
    ];
    manager.retain(one);
    manager.watcher.onUpdate([resource('f', buffer(1))], []);
    manager.retain(two);
    t.same(kinds(two), ['discovered', 'router']);
    t.match(manager.watcher.onUpdate([resource('f', { '@type': CORS })], []), [
      { message: /expect .*Buffer/ },
    ]);
    t.end();
  });

  t.test('names what is wrong with the place itself', (t) => {
    const problems = (changes: Json): readonly string[] =>
      problemsOf(() => withFilters(discovered(changes), routerFilter));
    const rows: readonly (readonly [Json, RegExp])[] = [
      [{ type_urls: [] }, /type_urls: at least one/],
      [{ type_urls: ['x/foo.Bar'] }, /no factory found for a required type URL foo\.Bar/],
      [{ config_source: null }, /config_source: is required/],
      [{ default_config: { '@type': CORS } }, /Cors but expect .*Buffer/],
      [{ apply_default_config_without_warming: true }, /but has no default config/],
    ];
    for (const [changes, problem] of rows) t.match(problems(changes).join('\n'), problem);
    t.end();
  });
  t.end();
});
