// An AdminContext over fixed facts: pilot-agent's bootstrap, two clusters, two listeners, some stats; commands are noted.
import { readFileSync } from 'node:fs';
import { encode } from '../../xds-protos/codec.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import type { MessageTypes } from '../../xds-protos/gen/message-types.ts';
import type {
  ConfigDumpEntry,
  ConfigDumpSection,
  ConfigResourceState,
} from '../../proxy/config/config-resource.ts';
import type { AdminContext } from '../../proxy/server/admin-context.ts';
import { loadBootstrap } from '../../proxy/server/bootstrap.ts';
import { parseOptions } from '../../proxy/server/options.ts';
import { decodeBootstrap } from '../../proxy/xds/bootstrap-decoder.ts';
import { sampleCluster, sampleEndpoint, sampleListener } from './config-samples.ts';
import { counterOf, gaugeOf, histogramOf } from './stat-values.ts';

export const FIXTURE_BOOTSTRAP = new URL(
  '../fixtures/pilot-agent/bootstrap-1.26.json',
  import.meta.url,
);

/** 2024-01-31T12:34:56.789Z */
const LOADED_MS = Date.UTC(2024, 0, 31, 12, 34, 56, 789);

export function dumpEntry<K extends keyof MessageTypes>(
  type: K,
  state: ConfigResourceState,
  json: Record<string, unknown>,
): ConfigDumpEntry {
  const raw = encode(type, fromJson(type, json));
  const name = String(json['name'] ?? json['cluster_name'] ?? '');
  return {
    name,
    state,
    version: state === 'static' ? '' : 'v7',
    raw,
    lastUpdatedMs: LOADED_MS,
    errorState: undefined,
  };
}

export const dumpSection = (entries: readonly ConfigDumpEntry[]): ConfigDumpSection => ({
  entries,
  failures: [],
  versionInfo: entries.length > 0 ? 'v7' : '',
});

const counts = {
  cxTotal: 2,
  cxActive: 1,
  cxConnectFail: 0,
  rqTotal: 8,
  rqActive: 0,
  rqPendingActive: 0,
  rqSuccess: 4,
  rqError: 4,
  rqTimeout: 0,
};

export interface AdminFixture {
  readonly context: AdminContext;
  /** What endpoints asked of the server, for example `drain {"graceful":true}`. */
  readonly commands: string[];
}

export async function adminFixture(
  changes: Partial<AdminContext> = {},
  flags: readonly string[] = [],
): Promise<AdminFixture> {
  const bootstrapText = readFileSync(FIXTURE_BOOTSTRAP, 'utf8');
  const args = [
    '--config-yaml',
    bootstrapText,
    '--concurrency',
    '2',
    '--log-level',
    'warning',
    ...flags,
  ];
  const parsed = parseOptions(args, { availableCpus: 2, allCpus: 2, cgroupCpuDetection: true });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  const { config, raw, clusters } = await loadBootstrap(parsed.options, decodeBootstrap);
  const commands: string[] = [];
  const note = (name: string, detail?: unknown): void => {
    commands.push(detail === undefined ? name : `${name} ${JSON.stringify(detail)}`);
  };
  const levels = new Map([
    ['http', 'warning'],
    ['admin', 'warning'],
  ] as const);
  const statics = clusters.map((cluster) => ({
    ...cluster,
    state: 'static' as const,
    lastUpdatedMs: LOADED_MS,
    errorState: undefined,
  }));
  const context: AdminContext = {
    options: parsed.options,
    bootstrap: config,
    bootstrapRaw: raw,
    bootstrapLoadedMs: LOADED_MS,
    buildVersion: 'rev/1.0.0/Clean/RELEASE/OpenSSL',
    inertNotes: ['filter istio.stats (type.googleapis.com/stats.PluginConfig)'],
    state: () => 'LIVE',
    uptimeMs: () => 6500,
    collectStats: () =>
      Promise.resolve([
        gaugeOf('server.state', 0),
        gaugeOf('server.uptime', 6),
        counterOf('cluster_manager.cds.update_success', 3),
        counterOf('cluster_manager.cds.update_rejected', 0),
        counterOf('cluster.xds-grpc;.upstream_rq_200', 7),
        counterOf('http.hidden.downstream_rq_total', 9),
        histogramOf('server.initialization_time_ms', [30]),
      ]),
    resetCounters: () => Promise.resolve(note('reset')),
    collectClusters: () =>
      Promise.resolve([
        {
          config: sampleCluster('up', { addedViaApi: false }),
          overprovisioningPercent: 140,
          outlier: undefined,
          hosts: [
            {
              endpoint: sampleEndpoint('127.0.0.1', 19801, { hostname: 'hh' }),
              region: '',
              zone: '',
              subZone: '',
              priority: 0,
              localityWeight: undefined,
              counts,
              flags: 0,
              successRate: -1,
              localOriginSuccessRate: -1,
            },
          ],
        },
        {
          config: sampleCluster('outbound|80||a', {
            type: 'EDS',
            altStatName: 'outbound|80||a;',
          }),
          overprovisioningPercent: 140,
          outlier: undefined,
          hosts: [],
        },
      ]),
    listeners: () => [
      {
        config: sampleListener('l1', 0),
        boundAddresses: [{ kind: 'ip', address: '127.0.0.1', port: 19802 }],
      },
      { config: sampleListener('10.0.0.1_80', 80, { bindToPort: false }), boundAddresses: [] },
    ],
    dumpClusters: () => ({
      ...dumpSection([
        ...statics,
        dumpEntry('envoy.config.cluster.v3.Cluster', 'active', { name: 'dyn', type: 'EDS' }),
      ]),
    }),
    endpoints: () => [
      {
        config: sampleCluster('dyn', { type: 'EDS', addedViaApi: true }),
        overprovisioningPercent: 140,
        outlier: undefined,
        hosts: [],
      },
    ],
    dumpListeners: () =>
      dumpSection([
        dumpEntry('envoy.config.listener.v3.Listener', 'active', { name: 'virtualOutbound' }),
        dumpEntry('envoy.config.listener.v3.Listener', 'warming', { name: 'virtualOutbound' }),
      ]),
    tlsMaterials: () => [],
    wallMs: () => 0,
    runtime: () => ({ layers: config.runtimeLayers, merged: config.runtime }),
    modifyRuntime: () => false,
    dumpScopes: () => [],
    dumpExtensions: () => undefined,
    dumpSecrets: () => ({ entries: [], failures: [], versionInfo: '' }),
    dumpRoutes: () =>
      dumpSection([
        dumpEntry('envoy.config.route.v3.RouteConfiguration', 'active', { name: '9080' }),
      ]),
    logLevels: () => [...levels].map(([component, level]) => ({ component, level })),
    setLogLevel: (component, level) => {
      note('level', { component, level });
      return component === undefined || component === 'http' || component === 'admin';
    },
    reopenLogs: () => note('reopen'),
    drainListeners: (request) => note('drain', request),
    setHealthCheckFailed: (failed) => note('health', failed),
    quit: () => note('quit'),
    ...changes,
  };
  return { context, commands };
}
