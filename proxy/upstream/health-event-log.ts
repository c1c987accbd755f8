// [m] Events of active checks and of outlier detection as lines of JSON, with Envoy's names and in its order of fields
// (envoy.data.core.v3.HealthCheckEvent, envoy.data.cluster.v3.OutlierDetectionEvent).
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import type { EndpointConfig, LocalityEndpointsConfig } from '../config/endpoint-config.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import type { CheckEvent } from './health-session.ts';
import type { OutlierHost, OutlierType } from './outlier-detector.ts';
import type { RateNumbers } from './outlier-rates.ts';

export type HostLocality = Pick<LocalityEndpointsConfig, 'region' | 'zone' | 'subZone'>;

/** Where lines go; a line is a byte string with its newline. */
export type WriteLine = (line: string) => void;

const lineOf = (event: object): string =>
  `${Buffer.from(JSON.stringify(event), 'utf8').toString('latin1')}\n`;

const CHECKERS: Readonly<Record<HealthCheckConfig['checker']['kind'], string>> = {
  http: 'HTTP',
  tcp: 'TCP',
  grpc: 'GRPC',
};

/** Whose event it is. */
export interface CheckEventSource {
  readonly cluster: string;
  readonly checker: HealthCheckConfig['checker']['kind'];
  readonly endpoint: EndpointConfig;
  readonly locality: HostLocality;
}

export function checkEventLine(
  source: CheckEventSource,
  event: CheckEvent,
  wallMs: number,
): string {
  const { endpoint, locality, cluster, checker } = source;
  const early = event.kind === 'eject_unhealthy' || event.kind === 'add_healthy';
  const late = event.kind === 'success';
  const fields = eventFields(event);
  return lineOf({
    health_checker_type: CHECKERS[checker],
    host: addressFields(endpoint.address),
    cluster_name: cluster,
    ...(early ? fields : {}),
    timestamp: new Date(wallMs).toISOString(),
    ...(early || late ? {} : fields),
    ...metadataFields(endpoint),
    locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subZone },
    ...(late ? fields : {}),
  });
}

function eventFields(event: CheckEvent): object {
  switch (event.kind) {
    case 'eject_unhealthy':
      return {
        eject_unhealthy_event: { failure_type: event.failure, http_status_code: event.status },
      };
    case 'add_healthy':
      return { add_healthy_event: { first_check: event.firstCheck } };
    case 'failure':
      return {
        health_check_failure_event: {
          failure_type: event.failure,
          first_check: event.firstCheck,
          http_status_code: event.status,
        },
      };
    case 'degraded':
      return { degraded_healthy_host: {} };
    case 'no_longer_degraded':
      return { no_longer_degraded_host: {} };
    case 'success':
      return { successful_health_check_event: {} };
  }
}

function addressFields(address: AddressConfig): object {
  if (address.kind === 'pipe') return { pipe: { path: address.path, mode: address.mode } };
  return {
    socket_address: {
      protocol: 'TCP',
      address: address.address,
      port_value: address.port,
      resolver_name: '',
      ipv4_compat: false,
      network_namespace_filepath: '',
    },
  };
}

function metadataFields({ metadata }: EndpointConfig): object {
  if (metadata.size === 0) return {};
  const namespaces: [string, unknown][] = [...metadata].map(([name, json]) => [
    name,
    JSON.parse(json) as unknown,
  ]);
  return {
    metadata: {
      filter_metadata: Object.fromEntries(namespaces),
      typed_filter_metadata: {},
    },
  };
}

export interface OutlierEvent {
  readonly cluster: string;
  readonly host: OutlierHost;
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function ejectLine(
  event: OutlierEvent,
  type: OutlierType,
  enforced: boolean,
  rates: RateNumbers,
): string {
  const { outlier } = event.host;
  return lineOf({
    ...outlierHead(event, type, outlier.unejectedMs),
    action: 'EJECT',
    num_ejections: outlier.ejections,
    enforced,
    ...ejectFields(type, event.host, rates),
  });
}

/** Envoy names no type there: it reads as the first one. */
export function unejectLine(event: OutlierEvent): string {
  const { outlier } = event.host;
  return lineOf({
    ...outlierHead(event, 'CONSECUTIVE_5XX', outlier.ejectedMs),
    action: 'UNEJECT',
    num_ejections: outlier.ejections,
    enforced: false,
  });
}

function outlierHead(event: OutlierEvent, type: OutlierType, beforeMs: number): object {
  const since = Number.isNaN(beforeMs)
    ? {}
    : { secs_since_last_action: String(Math.floor((event.monotonicMs - beforeMs) / 1000)) };
  return {
    type,
    timestamp: new Date(event.wallMs).toISOString(),
    ...since,
    cluster_name: event.cluster,
    upstream_url: event.host.addressText,
  };
}

function ejectFields(type: OutlierType, { outlier }: OutlierHost, rates: RateNumbers): object {
  const local = type.endsWith('LOCAL_ORIGIN');
  const hostRate = Math.trunc(local ? outlier.localOriginSuccessRate : outlier.successRate);
  if (type.startsWith('SUCCESS_RATE')) {
    return {
      eject_success_rate_event: {
        host_success_rate: hostRate,
        cluster_average_success_rate: Math.trunc(rates.average),
        cluster_success_rate_ejection_threshold: Math.trunc(rates.threshold),
      },
    };
  }
  if (type.startsWith('FAILURE_PERCENTAGE'))
    return { eject_failure_percentage_event: { host_success_rate: hostRate } };
  return { eject_consecutive_event: {} };
}
