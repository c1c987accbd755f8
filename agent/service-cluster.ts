// [m] The cluster that the node names: who this workload is in traces and in istiod's lists (istio-contract §5.3). Istio: pkg/bootstrap, pkg/config/labels.
import type { JsonObject, ProxyConfig } from './proxy-config.ts';

export interface WorkloadNames {
  readonly namespace: string;
  /** ISTIO_META_WORKLOAD_NAME; '' where nobody says. */
  readonly workloadName: string;
  readonly labels: JsonObject;
}

const DEFAULT_CLUSTER = 'istio-proxy';
const APP = 'app';
const NAME = 'app.kubernetes.io/name';
const CANONICAL = 'service.istio.io/canonical-name';

function firstLabel(labels: JsonObject, names: readonly string[]): string | undefined {
  return names
    .map((name) => labels[name])
    .find((value): value is string => typeof value === 'string' && value !== '');
}

/** `serviceCluster`: of the command line, before the one of ProxyConfig. */
export function serviceClusterOf(
  serviceCluster: string | undefined,
  { tracingServiceName, serviceCluster: configured }: ProxyConfig,
  names: WorkloadNames,
): string {
  const { labels, namespace } = names;
  const within = (name: string): string => (namespace === '' ? name : `${name}.${namespace}`);
  const workload = names.workloadName === '' ? DEFAULT_CLUSTER : names.workloadName;
  const canonical = firstLabel(labels, [CANONICAL, NAME, APP]) ?? workload;
  switch (tracingServiceName) {
    case 'CANONICAL_NAME_ONLY':
      return canonical;
    case 'CANONICAL_NAME_AND_NAMESPACE':
      return within(canonical);
    case 'APP_LABEL_AND_NAMESPACE':
      return within(firstLabel(labels, [APP, NAME, CANONICAL]) ?? workload);
    case undefined: {
      const given = serviceCluster ?? configured;
      if (given !== '' && given !== DEFAULT_CLUSTER) return given;
      return within(firstLabel(labels, [APP, NAME, CANONICAL]) ?? workload);
    }
  }
}
