// [m] What main knows of clusters and their hosts, and what its workers counted of them, in one place: for /clusters.
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { ActiveCluster } from '../upstream/cluster-version.ts';
import type { HealthKeeper } from '../upstream/health-keeper.ts';
import { edsFlags } from '../upstream/host-health.ts';
import { addressText } from '../upstream/host.ts';
import type { HostCounts } from '../upstream/host.ts';
import type { ClusterHostReport, ClusterReport } from './admin-context.ts';
import type { HostReport } from './worker-protocol.ts';

type CountsByAddress = ReadonlyMap<string, HostCounts>;

/** `answers`: of each worker. */
export function clusterReports(
  clusters: readonly ActiveCluster[],
  answers: readonly (readonly HostReport[])[],
): readonly ClusterReport[] {
  const counts = new Map<string, Map<string, HostCounts>>();
  for (const { cluster, address, counts: more } of answers.flat()) {
    let ofCluster = counts.get(cluster);
    if (ofCluster === undefined) {
      ofCluster = new Map();
      counts.set(cluster, ofCluster);
    }
    const sum = ofCluster.get(address);
    ofCluster.set(address, sum === undefined ? more : add(sum, more));
  }
  return clusters.map((cluster) => reportOf(cluster, counts.get(cluster.config.name) ?? new Map()));
}

function reportOf(
  { config, localities, health, overprovisioningPercent }: ActiveCluster,
  counts: CountsByAddress,
): ClusterReport {
  const detector = health?.detector;
  // Hosts of ORIGINAL_DST clusters are made by workers.
  const places = config.originalDst === undefined ? localities : [madeHosts(config.name, counts)];
  return {
    config,
    overprovisioningPercent,
    outlier: detector === undefined || detector === null ? undefined : detector,
    hosts: places.flatMap((locality) =>
      locality.endpoints.map((endpoint) => hostReport(endpoint, locality, counts, health)),
    ),
  };
}

function hostReport(
  endpoint: EndpointConfig,
  { region, zone, subZone, priority, weight }: LocalityEndpointsConfig,
  counts: CountsByAddress,
  health: HealthKeeper | undefined,
): ClusterHostReport {
  const address = addressText(endpoint.address);
  const watched = health?.host(address);
  return {
    endpoint,
    region,
    zone,
    subZone,
    priority,
    localityWeight: weight,
    counts: counts.get(address) ?? NO_COUNTS,
    flags: watched?.flags ?? edsFlags(endpoint.health, endpoint.edsStatus),
    successRate: watched?.outlier.successRate ?? -1,
    localOriginSuccessRate: watched?.outlier.localOriginSuccessRate ?? -1,
  };
}

function madeHosts(cluster: string, counts: CountsByAddress): LocalityEndpointsConfig {
  const endpoints = [...counts.keys()].map((text) => {
    const colon = text.lastIndexOf(':');
    const address = text.slice(0, colon).replace(/^\[|\]$/g, '');
    return {
      address: { kind: 'ip', address, port: Number(text.slice(colon + 1)) },
      hostname: cluster + text,
      weight: 1,
      health: 'HEALTHY',
      transportSocketMatch: NO_LABELS,
      metadata: NO_LABELS,
    } as const;
  });
  return { region: '', zone: '', subZone: '', priority: 0, weight: undefined, endpoints };
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();

const NO_COUNTS: HostCounts = {
  cxTotal: 0,
  cxActive: 0,
  cxConnectFail: 0,
  rqTotal: 0,
  rqActive: 0,
  rqPendingActive: 0,
  rqSuccess: 0,
  rqError: 0,
  rqTimeout: 0,
};

function add(a: HostCounts, b: HostCounts): HostCounts {
  return {
    cxTotal: a.cxTotal + b.cxTotal,
    cxActive: a.cxActive + b.cxActive,
    cxConnectFail: a.cxConnectFail + b.cxConnectFail,
    rqTotal: a.rqTotal + b.rqTotal,
    rqActive: a.rqActive + b.rqActive,
    rqPendingActive: a.rqPendingActive + b.rqPendingActive,
    rqSuccess: a.rqSuccess + b.rqSuccess,
    rqError: a.rqError + b.rqError,
    rqTimeout: a.rqTimeout + b.rqTimeout,
  };
}
