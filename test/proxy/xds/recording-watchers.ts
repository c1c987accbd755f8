// Watchers that write down what they are told, and an AdsClient around them.
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../../../proxy/config/endpoint-config.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { RouteConfig } from '../../../proxy/config/route-config.ts';
import { Logger } from '../../../proxy/base/logger.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import type { TimeSource } from '../../../proxy/base/clock.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { AdsClient } from '../../../proxy/xds/ads-client.ts';
import type { AdsMode } from '../../../proxy/xds/ads-mux.ts';
import type { AdsTransport } from '../../../proxy/xds/ads-transport.ts';
import type {
  RejectedResource,
  ResourceProblem,
  ResourceWatcher,
  XdsResource,
} from '../../../proxy/xds/resource-watcher.ts';

export class RecordingWatcher<T> implements ResourceWatcher<T> {
  /** `+name` and `-name` per call, oldest first; a call that says nothing is ''. */
  readonly calls: string[] = [];
  readonly held = new Map<string, XdsResource<T>>();
  readonly rejected: RejectedResource[] = [];
  timeouts = 0;
  /** What the next calls answer. */
  problems: readonly ResourceProblem[] = [];
  /** Runs within onUpdate. */
  then: () => void = () => {};

  onUpdate(
    upserts: readonly XdsResource<T>[],
    removed: readonly string[],
  ): readonly ResourceProblem[] {
    this.calls.push(
      [...upserts.map((u) => `+${u.name}`), ...removed.map((name) => `-${name}`)].join(' '),
    );
    for (const upsert of upserts) this.held.set(upsert.name, upsert);
    for (const name of removed) this.held.delete(name);
    this.then();
    return this.problems;
  }

  onRejected(rejected: readonly RejectedResource[]): void {
    this.rejected.push(...rejected);
  }

  onInitialFetchTimeout(): void {
    this.timeouts++;
  }

  takeCalls(): readonly string[] {
    return this.calls.splice(0);
  }
}

export interface TestClient {
  readonly client: AdsClient;
  readonly clusters: RecordingWatcher<ClusterConfig>;
  readonly endpoints: RecordingWatcher<ClusterEndpointsConfig>;
  readonly listeners: RecordingWatcher<ListenerConfig>;
  readonly routes: RecordingWatcher<RouteConfig>;
  readonly lines: string[];
  stat(name: string): number;
}

export interface TestClientOptions {
  readonly mode: AdsMode;
  readonly transport: AdsTransport;
  readonly time: TimeSource;
  readonly fetchTimeoutMs?: number;
  readonly nodeOnFirstMessageOnly?: boolean;
}

/** Not started. */
export function testClient(options: TestClientOptions): TestClient {
  const stats = new StatsStore();
  const lines: string[] = [];
  const client = new AdsClient({
    mode: options.mode,
    transport: options.transport,
    nodeOnFirstMessageOnly: options.nodeOnFirstMessageOnly ?? true,
    clustersFetchTimeoutMs: options.fetchTimeoutMs ?? 0,
    listenersFetchTimeoutMs: options.fetchTimeoutMs ?? 0,
    time: options.time,
    random: new SeededRandom(7),
    log: new Logger('xds', 'info', ({ level, message }) => lines.push(`${level} ${message}`)),
    stats,
  });
  const watchers = {
    clusters: new RecordingWatcher<ClusterConfig>(),
    endpoints: new RecordingWatcher<ClusterEndpointsConfig>(),
    listeners: new RecordingWatcher<ListenerConfig>(),
    routes: new RecordingWatcher<RouteConfig>(),
  };
  client.setWatchers(watchers);
  return { client, ...watchers, lines, stat: (name) => stats.value(statId(stats, name)) };
}

export function statId(stats: StatsStore, name: string): number {
  for (let id = 0; id < stats.size; id++) if (stats.definition(id).name === name) return id;
  throw new Error(`no stat ${name}`);
}
