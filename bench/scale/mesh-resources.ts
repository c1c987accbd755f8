// A mesh of N services as xDS resources: one cluster and three endpoints each, one listener, one route table with all of them.

import { packAny } from '../../xds-protos/any.ts';
import type { MessageName } from '../../xds-protos/any.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';

const TYPE = 'type.googleapis.com/envoy.';
const NEVER = '0s';

export interface Address {
  readonly address: string;
  readonly port: number;
}

export interface NamedResource {
  readonly name: string;
  readonly resource: Any;
}

export const RESOURCE_TYPES = {
  listeners: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
} as const satisfies Record<string, MessageName>;

/** What clients put into Host. */
export const hostOf = (service: number): string => `svc-${service}`;
export const clusterOf = (service: number): string =>
  `outbound|80||svc-${service}.default.svc.cluster.local`;

const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: NEVER };
const socketAddress = ({ address, port }: Address): object => ({
  socket_address: { address, port_value: port },
});

function named<K extends MessageName>(type: K, name: string, json: object): NamedResource {
  return { name, resource: packAny(type, fromJson(type, json)) };
}

export function clusterResource(service: number): NamedResource {
  const name = clusterOf(service);
  return named(RESOURCE_TYPES.clusters, name, {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ads, service_name: name },
    connect_timeout: '10s',
    lb_policy: 'ROUND_ROBIN',
    circuit_breakers: {
      thresholds: [
        {
          max_connections: 4_294_967_295,
          max_pending_requests: 4_294_967_295,
          max_requests: 4_294_967_295,
          max_retries: 4_294_967_295,
        },
      ],
    },
  });
}

export function endpointsResource(service: number, addresses: readonly Address[]): NamedResource {
  const name = clusterOf(service);
  return named(RESOURCE_TYPES.endpoints, name, {
    cluster_name: name,
    endpoints: [
      {
        locality: { region: 'region-1', zone: 'zone-1' },
        load_balancing_weight: addresses.length,
        lb_endpoints: addresses.map((one) => ({
          endpoint: { address: socketAddress(one) },
          health_status: 'HEALTHY',
          load_balancing_weight: 1,
        })),
      },
    ],
  });
}

/** Addresses that nobody is asked to reach. `generation`: others for every number. */
export function strangers(service: number, count: number, generation = 0): Address[] {
  const high = Math.floor(service / 250);
  const low = (service % 250) + 1;
  return Array.from({ length: count }, (_, i) => {
    const changes = i === count - 1 ? generation % 8_000 : 0;
    return { address: `10.${i + 1}.${high}.${low}`, port: 8_080 + changes };
  });
}

/** The same, for one service with any number of hosts. */
export const crowd = (count: number): Address[] =>
  Array.from({ length: count }, (_, i) => ({
    address: `11.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    port: 8_080,
  }));

export function routesResource(services: number): NamedResource {
  return named(RESOURCE_TYPES.routes, 'bench', {
    name: 'bench',
    virtual_hosts: Array.from({ length: services }, (_, i) => ({
      name: `${hostOf(i)}.default.svc.cluster.local:80`,
      domains: [
        `${hostOf(i)}.default.svc.cluster.local`,
        hostOf(i),
        `${hostOf(i)}.default.svc`,
        `${hostOf(i)}.default`,
      ],
      routes: [
        {
          name: 'default',
          match: { prefix: '/' },
          route: {
            cluster: clusterOf(i),
            timeout: NEVER,
            retry_policy: {
              retry_on: 'connect-failure,refused-stream,unavailable,cancelled',
              num_retries: 2,
            },
          },
        },
      ],
    })),
    validate_clusters: false,
  });
}

export function listenerResource(listenPort: number): NamedResource {
  return named(RESOURCE_TYPES.listeners, 'bench', {
    name: 'bench',
    address: socketAddress({ address: '127.0.0.1', port: listenPort }),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: 'bench',
              stream_idle_timeout: NEVER,
              rds: { config_source: ads, route_config_name: 'bench' },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': `${TYPE}extensions.filters.http.router.v3.Router` },
                },
              ],
            },
          },
        ],
      },
    ],
  });
}

/** What Istio's agent has its proxies keep (istio-contract §5.4): without it Envoy's stats are most of its memory at scale. */
const ISTIO_STATS_PATTERNS: readonly object[] = [
  ...[
    'reporter=',
    'cluster_manager',
    'listener_manager',
    'server',
    'cluster.xds-grpc',
    'wasm',
    'component',
    'istio',
  ].map((prefix) => ({ prefix })),
  ...['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'].map((suffix) => ({
    suffix,
  })),
  { safe_regex: { regex: 'vhost\\..*\\.route\\..*' } },
];

export function adsBootstrap(adminPort: number, adsPort: number): string {
  return JSON.stringify({
    node: { id: 'sidecar~127.0.0.1~bench.default~default.svc.cluster.local', cluster: 'bench' },
    admin: { address: socketAddress({ address: '127.0.0.1', port: adminPort }) },
    stats_config: {
      use_all_default_tags: false,
      stats_matcher: { inclusion_list: { patterns: ISTIO_STATS_PATTERNS } },
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          connect_timeout: '10s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPE}extensions.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: socketAddress({ address: '127.0.0.1', port: adsPort }) } },
                ],
              },
            ],
          },
        },
      ],
    },
  });
}
