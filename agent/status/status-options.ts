// [m] StatusOptions: what port 15020 answers, and how it asks the app (istio-contract §6.2).
import { parseAppProbers, parseScrapeTargets } from '../pod-annotations.ts';
import type { AppProber, ScrapeTarget } from '../pod-annotations.ts';
import type { VariableReader } from '../variable-reader.ts';

export interface StatusOptions {
  /** Keyed by request path, as in `/app-health/reviews/readyz`. */
  readonly appProbers: ReadonlyMap<string, AppProber>;
  readonly probes: ProbeOptions;
  readonly scrape: ScrapeOptions;
  /** /debug/pprof/ answers. */
  readonly profiling: boolean;
}

export interface ProbeOptions {
  /** Apps are asked on `localhost` instead of the pod's address. */
  readonly localhost: boolean;
  readonly http2: boolean;
  readonly keepAlive: boolean;
}

export interface ScrapeOptions {
  readonly apps: readonly ScrapeTarget[];
  readonly mergeProxyStats: boolean;
  /** Metrics of agent and proxy are for this pod alone. */
  readonly localOnly: boolean;
}

export function readStatus(
  read: VariableReader,
  statusPort: number,
  { profiling, warnings }: { readonly profiling: boolean; readonly warnings: string[] },
): StatusOptions {
  const { problems } = read;
  const annotations = read.text('ISTIO_PROMETHEUS_ANNOTATIONS', '');
  return {
    appProbers: parseAppProbers(read.text('ISTIO_KUBE_APP_PROBERS', ''), problems),
    probes: {
      localhost: read.flag('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', false),
      http2: read.flag('ISTIO_ENABLE_HTTP2_PROBING', true),
      keepAlive: read.flag('ENABLE_PROBE_KEEPALIVE_CONNECTIONS', false),
    },
    scrape: {
      apps: parseScrapeTargets(annotations, statusPort, { problems, warnings }),
      mergeProxyStats: read.flag('PILOT_AGENT_MERGE_ENVOY_STATS', true),
      localOnly: read.flag('METRICS_LOCALHOST_ACCESS_ONLY', false),
    },
    profiling,
  };
}
