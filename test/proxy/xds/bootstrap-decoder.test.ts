// The bootstrap that stock pilot-agent writes, and mistakes in one.
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { BootstrapConfig } from '../../../proxy/config/bootstrap-config.ts';
import { decodeBootstrap } from '../../../proxy/xds/bootstrap-decoder.ts';
import { inertParts } from '../../../proxy/xds/inert-parts.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { listenerJson, managerFilter, problemsOf, socketAddress } from './decoding.ts';
import type { Json } from './decoding.ts';

const decode = (json: unknown): BootstrapConfig =>
  decodeBootstrap(fromJson('envoy.config.bootstrap.v3.Bootstrap', json));
const recorded: unknown = JSON.parse(
  readFileSync(new URL('../../fixtures/pilot-agent/bootstrap-1.26.json', import.meta.url), 'utf8'),
);

const ads = (
  service: Json,
  clusters: readonly Json[] = [{ name: 'xds', type: 'STATIC' }],
): Json => ({
  node: { id: 'n', cluster: 'c' },
  dynamic_resources: {
    ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [service] },
    cds_config: { ads: {}, resource_api_version: 'V3' },
  },
  static_resources: { clusters },
});

t.test('decodeBootstrap', (t) => {
  t.test('reads what pilot-agent 1.26 writes', (t) => {
    const config = decode(recorded);
    t.equal(
      config.node.id,
      'sidecar~10.244.0.11~productpage-v1-0.default~default.svc.cluster.local',
    );
    t.equal(config.node.cluster, 'productpage.default');
    t.match(JSON.parse(config.node.metadataJson), { NAMESPACE: 'default' });
    t.strictSame(config.admin.address, { kind: 'ip', address: '127.0.0.1', port: 15000 });
    t.strictSame(config.ads, {
      mode: 'delta',
      clusterName: 'xds-grpc',
      setNodeOnFirstMessageOnly: true,
    });
    const adsForEver = { source: { kind: 'ads' }, initialFetchTimeoutMs: 0 };
    t.strictSame(config.cds, adsForEver);
    t.strictSame(config.lds, adsForEver);
    t.strictSame(
      config.clusters.map(({ name, type, statName, http }) => [
        name,
        type,
        statName,
        http.protocol,
      ]),
      [
        ['prometheus_stats', 'STATIC', 'prometheus_stats;', 'http1'],
        ['agent', 'STATIC', 'agent;', 'http1'],
        ['sds-grpc', 'STATIC', 'sds-grpc;', 'http2'],
        ['xds-grpc', 'STATIC', 'xds-grpc;', 'http2'],
      ],
    );
    t.strictSame(
      config.listeners.map(({ name }) => name),
      ['0.0.0.0_15090', '0.0.0.0_15021'],
    );
    t.equal(config.stats.useAllDefaultTags, false);
    t.equal(config.stats.tags.length, 16);
    t.match(config.stats.matcher, {
      kind: 'inclusion',
      patterns: [{ kind: 'prefix', value: 'reporter=' }],
    });
    t.equal(config.runtime.get('re2.max_program_size.error_level'), '32768');
    t.equal(
      config.runtime.get('envoy.reloadable_features.http_reject_path_with_fragment'),
      'false',
    );
    t.strictSame(
      config.runtimeLayers.map((layer) => layer.kind),
      ['static', 'admin'],
    );
    t.strictSame(config.inert, ['bootstrap_extensions envoy.bootstrap.internal_listener']);
    for (const listener of config.listeners) t.strictSame(inertParts({ listener }), []);
    t.strictSame(structuredClone(config), config, 'is plain data');
    t.end();
  });

  t.test('needs little', (t) => {
    const config = decode({});
    t.match(config, {
      admin: { address: undefined },
      ads: undefined,
      clusters: [],
      stats: { matcher: { kind: 'all' }, flushIntervalMs: 5000 },
    });
    t.end();
  });

  t.test('flattens nested runtime values, the later layer winning', (t) => {
    const config = decode({
      layered_runtime: {
        layers: [
          { name: 'a', static_layer: { x: { y: 1, z: { numerator: 5 } }, 'k.l': true } },
          { name: 'b', static_layer: { 'x.y': 'two' } },
        ],
      },
    });
    t.strictSame([...config.runtime].sort(), [
      ['k.l', 'true'],
      ['x.y', 'two'],
      ['x.z', '{"numerator":5}'],
    ]);
    t.end();
  });

  const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
    [
      'a stream to a cluster that is not there',
      ads({ envoy_grpc: { cluster_name: 'nope' } }),
      [
        "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: 'nope' must be a cluster of static_resources, and not of type EDS",
      ],
    ],
    [
      'Google gRPC',
      ads({ google_grpc: { target_uri: 'x', stat_prefix: 'y' } }),
      [
        'dynamic_resources.ads_config.grpc_services[0].google_grpc: is not supported by this version',
        'dynamic_resources.ads_config.grpc_services[0].envoy_grpc: is required',
      ],
    ],
    [
      'a dynamic bootstrap without node',
      { ...ads({ envoy_grpc: { cluster_name: 'xds' } }), node: {} },
      [
        "node: node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.",
      ],
    ],
    [
      'a cluster named twice, and one with a mistake',
      { static_resources: { clusters: [{ name: 'a' }, { name: 'a', connect_timeout: '0s' }] } },
      [
        'static_resources.clusters[1].connect_timeout: must be greater than 0s',
        "static_resources.clusters[1]: cluster manager: duplicate cluster 'a'",
      ],
    ],
    [
      'static routes to clusters that are not there, unless a header names them',
      {
        static_resources: {
          listeners: [
            listenerJson({
              filter_chains: [
                {
                  filters: [
                    managerFilter({
                      route_config: {
                        virtual_hosts: [
                          {
                            name: 'h',
                            domains: ['*'],
                            routes: [
                              { match: { prefix: '/' }, route: { cluster: 'nope' } },
                              {
                                match: { prefix: '/' },
                                route: {
                                  weighted_clusters: {
                                    clusters: [
                                      { name: 'none', weight: 1 },
                                      { cluster_header: 'x-c', weight: 1 },
                                    ],
                                  },
                                },
                              },
                              {
                                match: { prefix: '/' },
                                route: {
                                  cluster_header: 'x-c',
                                  request_mirror_policies: [{ cluster: 'away' }],
                                },
                              },
                            ],
                          },
                        ],
                      },
                    }),
                  ],
                },
              ],
            }),
          ],
        },
      },
      [
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route: route: unknown cluster 'nope'",
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[1].route: route: unknown weighted cluster 'none'",
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[2].route: route: unknown shadow cluster 'away'",
      ],
    ],
    [
      'an admin address that is a name',
      { admin: { address: socketAddress('localhost', 1) } },
      [
        "admin.address.socket_address.address: malformed IP address: localhost. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
      ],
    ],
    [
      'layers that share a name, and two admin layers',
      {
        layered_runtime: {
          layers: [
            { name: 'a', admin_layer: {} },
            { name: 'a', admin_layer: {} },
          ],
        },
      },
      [
        'layered_runtime.layers[1].name: Duplicate layer name: a',
        'layered_runtime.layers[1].admin_layer: Too many admin layers specified in LayeredRuntime, at most one may be specified',
      ],
    ],
    [
      'histogram bounds that are not',
      {
        stats_config: {
          histogram_bucket_settings: [{ match: { prefix: 'x' }, buckets: [0, 1, 1] }],
        },
      },
      [
        'stats_config.histogram_bucket_settings[0].buckets: bounds must be greater than 0, one is 0',
        'stats_config.histogram_bucket_settings[0].buckets: bound 1 occurs twice',
      ],
    ],
  ];
  for (const [what, json, expected] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => decode(json)),
        expected,
      );
      t.end();
    });
  }
  t.end();
});
