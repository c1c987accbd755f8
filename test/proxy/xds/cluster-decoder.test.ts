// Clusters: defaults, discovery types, policies, and mistakes with their paths.
import t from 'tap';
import { cluster, problemsOf, socketAddress } from './decoding.ts';
import type { Json } from './decoding.ts';
import { sameCluster } from '../../../proxy/config/same-content.ts';

const TYPE = 'type.googleapis.com';
const eds = {
  eds_cluster_config: {
    eds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
  },
};
const endpoints = (...addresses: readonly Json[]): Json => ({
  load_assignment: {
    cluster_name: 'c',
    endpoints: [{ lb_endpoints: addresses.map((address) => ({ endpoint: { address } })) }],
  },
});
const httpOptions = (fields: Json): Json => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
      ...fields,
    },
  },
});

const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
const AGGREGATE = 'envoy.extensions.clusters.aggregate.v3.ClusterConfig';
const clusterType = (type: string, fields: Json): Json => ({
  cluster_type: { name: 'any', typed_config: { '@type': `${TYPE}/${type}`, ...fields } },
});

const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
  ['a nameless cluster', { type: 'STATIC' }, ['name: is required']],
  [
    'ORIGINAL_DST that balances by itself',
    { name: 'c', type: 'ORIGINAL_DST' },
    [
      "lb_policy: cluster: LB policy ROUND_ROBIN is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'",
    ],
  ],
  [
    'CLUSTER_PROVIDED elsewhere',
    { name: 'c', type: 'STATIC', lb_policy: 'CLUSTER_PROVIDED' },
    [
      "lb_policy: cluster: LB policy CLUSTER_PROVIDED is not valid for Cluster type STATIC. It is allowed only with cluster type 'ORIGINAL_DST'",
    ],
  ],
  [
    'EDS without a source',
    { name: 'c', type: 'EDS' },
    ['eds_cluster_config.eds_config: cannot create an EDS cluster without an EDS config'],
  ],
  [
    'EDS from nowhere',
    {
      name: 'c',
      type: 'EDS',
      eds_cluster_config: { eds_config: { self: {} } },
    },
    [
      'eds_cluster_config.eds_config: one of ads, api_config_source, path_config_source is required',
    ],
  ],
  [
    'endpoints beside EDS',
    { name: 'c', type: 'EDS', ...eds, ...endpoints(socketAddress('10.0.0.1', 1)) },
    ['load_assignment: EDS clusters must have no load assignment configured'],
  ],
  [
    'a host name in a STATIC cluster',
    { name: 'c', type: 'STATIC', ...endpoints(socketAddress('a.b', 1)) },
    [
      "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: malformed IP address: a.b. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
    ],
  ],
  [
    'two endpoints in LOGICAL_DNS',
    { name: 'c', type: 'LOGICAL_DNS', ...endpoints(socketAddress('a', 1), socketAddress('b', 1)) },
    [
      'load_assignment: LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint',
    ],
  ],
  [
    'a cluster type nobody knows by name',
    { name: 'c', cluster_type: { name: 'envoy.clusters.moon' } },
    [
      "cluster_type.name: Didn't find a registered cluster factory implementation for name: 'envoy.clusters.moon'",
    ],
  ],
  [
    'a cluster type nobody knows by type',
    { name: 'c', ...clusterType('google.protobuf.Empty', {}) },
    [
      "cluster_type.typed_config: Didn't find a registered cluster factory implementation for type: 'google.protobuf.Empty'",
    ],
  ],
  [
    'a dynamic forward proxy that does not hold hosts to their names',
    {
      name: 'c',
      lb_policy: 'CLUSTER_PROVIDED',
      ...clusterType(FORWARD_PROXY, { dns_cache_config: { name: 'n' } }),
      ...httpOptions({
        explicit_http_config: { http_protocol_options: {} },
        upstream_http_protocol_options: { auto_sni: true },
      }),
    },
    [
      'typed_extension_protocol_options: dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set',
    ],
  ],
  [
    'a dynamic forward proxy of sub-clusters',
    {
      name: 'c',
      lb_policy: 'CLUSTER_PROVIDED',
      ...clusterType(FORWARD_PROXY, { sub_clusters_config: {} }),
    },
    [
      'cluster_type.typed_config.sub_clusters_config: is not supported by this version',
      'cluster_type.typed_config.dns_cache_config: is required',
    ],
  ],
  [
    'an aggregate of nothing',
    { name: 'c', lb_policy: 'CLUSTER_PROVIDED', ...clusterType(AGGREGATE, {}) },
    ['cluster_type.typed_config: clusters: at least 1 is required'],
  ],
  [
    'an aggregate that balances by itself',
    { name: 'c', ...clusterType(AGGREGATE, { clusters: ['a'] }) },
    ["lb_policy: cluster provided LB not specified but cluster 'c' provided one"],
  ],
  [
    'LOGICAL_DNS without an endpoint',
    { name: 'c', type: 'LOGICAL_DNS' },
    ['load_assignment: LOGICAL_DNS clusters must have a single host'],
  ],
  [
    'impossible refresh rates',
    {
      name: 'c',
      type: 'STRICT_DNS',
      dns_refresh_rate: '0.001s',
      dns_failure_refresh_rate: { base_interval: '3s', max_interval: '2s' },
      dns_jitter: '-1s',
    },
    [
      'dns_jitter: must be a duration between 0s and 315576000000s, is -1s 0ns',
      'dns_refresh_rate: must be greater than 1ms',
      'dns_failure_refresh_rate: dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval',
    ],
  ],
  [
    'name servers without an address',
    {
      name: 'c',
      type: 'STRICT_DNS',
      dns_resolvers: [{ pipe: { path: '/x' } }, socketAddress('ns.example', 53)],
    },
    [
      "dns_resolvers[0]: DNS resolver '/x' is not an IP address",
      "dns_resolvers[1].socket_address.address: malformed IP address: ns.example. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
    ],
  ],
  [
    'a resolver of another platform',
    {
      name: 'c',
      type: 'STRICT_DNS',
      typed_dns_resolver_config: {
        name: 'apple',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.network.dns_resolver.apple.v3.AppleDnsResolverConfig`,
        },
      },
    },
    [
      "typed_dns_resolver_config.typed_config: Didn't find a registered implementation for 'apple' with type URL: 'envoy.extensions.network.dns_resolver.apple.v3.AppleDnsResolverConfig'",
    ],
  ],
  [
    'a least wait of less than a second',
    { name: 'c', ...clusterType(DNS_CLUSTER, { dns_min_refresh_rate: '0.5s' }) },
    ['cluster_type.typed_config.dns_min_refresh_rate: must be at least 1s'],
  ],
  [
    'more than one category of drops, and more than all',
    {
      name: 'c',
      load_assignment: {
        cluster_name: 'c',
        policy: {
          drop_overloads: [
            { category: 'a', drop_percentage: { numerator: 200 } },
            { category: 'b' },
          ],
        },
      },
    },
    [
      'load_assignment.policy.drop_overloads: Cluster drop_overloads config has 2 categories. Envoy only support one.',
      'load_assignment.policy.drop_overloads[0].drop_percentage: Cluster drop_overloads config is invalid: more than 100 %',
    ],
  ],
  [
    'a connect timeout of zero',
    { name: 'c', connect_timeout: '0s' },
    ['connect_timeout: must be greater than 0s'],
  ],
  [
    'an unknown cluster filter',
    {
      name: 'c',
      filters: [{ name: 'f', typed_config: { '@type': `${TYPE}/google.protobuf.Empty` } }],
    },
    [
      "filters[0].typed_config: Didn't find a registered implementation for 'f' with type URL: 'google.protobuf.Empty'",
    ],
  ],
  [
    'subset load balancing that cannot be',
    {
      name: 'c',
      lb_policy: 'RING_HASH',
      lb_subset_config: {
        locality_weight_aware: true,
        subset_selectors: [
          { keys: ['a', 'b'], fallback_policy: 'KEYS_SUBSET' },
          { keys: ['a', 'b'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['a', 'b'] },
          { keys: ['a', 'b'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['c'] },
        ],
      },
      ring_hash_lb_config: { minimum_ring_size: 10, maximum_ring_size: 5 },
      common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } },
    },
    [
      "common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing: Cannot use hostname for consistent hashing loadbalancing for cluster of type: 'envoy.cluster.static'",
      'ring_hash_lb_config.minimum_ring_size: ring hash: minimum_ring_size (10) > maximum_ring_size (5)',
      'lb_subset_config.locality_weight_aware: Locality weight aware subset LB requires that a locality_weighted_lb_config be set in c',
      'lb_subset_config.subset_selectors[0].fallback_keys_subset: fallback_keys_subset cannot be empty',
      'lb_subset_config.subset_selectors[1].fallback_keys_subset: fallback_keys_subset cannot be equal to keys',
      'lb_subset_config.subset_selectors[2].fallback_keys_subset: fallback_keys_subset must be a subset of selector keys',
    ],
  ],
  [
    'a table that is no prime',
    { name: 'c', lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 10 } },
    ['maglev_lb_config.table_size: The table size of maglev must be prime number'],
  ],
  [
    'no supported policy',
    {
      name: 'c',
      load_balancing_policy: {
        policies: [
          {
            typed_extension_config: {
              name: 'p',
              typed_config: {
                '@type': `${TYPE}/envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst`,
              },
            },
          },
        ],
      },
    },
    [
      "load_balancing_policy.policies: cluster: didn't find a registered load balancer factory implementation for cluster: 'c' with names from [p]",
    ],
  ],
  [
    'policies of a cluster over those of its routes',
    {
      name: 'c',
      ...httpOptions({
        explicit_http_config: { http_protocol_options: {} },
        retry_policy: { retry_on: '5xx' },
        request_mirror_policies: [{ cluster: 'd' }],
        hash_policy: [{ header: { header_name: 'x' } }],
      }),
    },
    ['request_mirror_policies', 'hash_policy', 'retry_policy'].map(
      (field) =>
        `typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].${field}: is not supported by this version`,
    ),
  ],
  [
    'HTTP options without a protocol',
    { name: 'c', ...httpOptions({}) },
    [
      'typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]: one of explicit_http_config, use_downstream_protocol_config, auto_config is required',
    ],
  ],
  [
    'a weight of zero and an unknown health',
    {
      name: 'c',
      load_assignment: {
        cluster_name: 'c',
        endpoints: [
          {
            priority: 129,
            lb_endpoints: [
              {
                endpoint: { address: socketAddress('10.0.0.1', 1) },
                load_balancing_weight: 0,
                health_status: 9,
              },
            ],
          },
        ],
      },
    },
    [
      'load_assignment.endpoints[0].lb_endpoints[0].load_balancing_weight: must be at least 1, is 0',
      'load_assignment.endpoints[0].lb_endpoints[0].health_status: unknown enum value 9',
      'load_assignment.endpoints[0].priority: must be between 0 and 128, is 129',
    ],
  ],
  [
    'a transport socket that is none',
    {
      name: 'c',
      transport_socket: {
        name: 's',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport`,
        },
      },
    },
    [
      "transport_socket.typed_config: Didn't find a registered implementation for 's' with type URL: 'envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport'",
    ],
  ],
  [
    'a format for a TLV of the PROXY header',
    {
      name: 'c',
      transport_socket: {
        name: 'envoy.transport_sockets.upstream_proxy_protocol',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
          config: {
            version: 'V2',
            added_tlvs: [
              { type: 9, value: 'aGk=' },
              { type: 10, format_string: { text_format_source: { inline_string: '%HOSTNAME%' } } },
            ],
          },
          transport_socket: {
            name: 'raw',
            typed_config: {
              '@type': `${TYPE}/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer`,
            },
          },
        },
      },
    },
    [
      'transport_socket.typed_config.config.added_tlvs[1].format_string: is not supported by this version',
    ],
  ],
  [
    'a bind address that is none',
    { name: 'c', upstream_bind_config: { source_address: { address: 'lo', port_value: 0 } } },
    ['upstream_bind_config.source_address.address: malformed IP address: lo'],
  ],
];

t.test('decodeCluster', (t) => {
  for (const [what, json, expected] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => cluster(json)),
        expected,
      );
      t.end();
    });
  }

  t.test('fills in the defaults', (t) => {
    t.match(cluster({ name: 'a:b' }), {
      name: 'a:b',
      statName: 'a_b',
      version: 'v1',
      addedViaApi: true,
      type: 'STATIC',
      lbPolicy: { kind: 'round_robin' },
      connectTimeoutMs: 5000,
      perConnectionBufferLimitBytes: 1_048_576,
      panicThresholdPercent: 50,
      overprovisioningPercent: 140,
      circuitBreakers: {
        default: {
          maxConnections: 1024,
          maxPendingRequests: 1024,
          maxRequests: 1024,
          maxRetries: 3,
        },
        high: { maxConnections: 1024, maxRetries: 3 },
      },
      http: {
        protocol: 'http1',
        idleTimeoutMs: 3_600_000,
        maxRequestsPerConnection: 0,
        maxHeadersCount: 100,
      },
      dns: { refreshRateMs: 5000, lookupFamily: 'AUTO' },
      originalDst: undefined,
    });
    t.end();
  });

  t.test('reads DNS settings of the cluster', (t) => {
    const config = cluster({
      name: 'c',
      type: 'STRICT_DNS',
      dns_refresh_rate: '60s',
      respect_dns_ttl: true,
      dns_lookup_family: 'V4_PREFERRED',
      dns_jitter: '2s',
      dns_failure_refresh_rate: { base_interval: '3s' },
      typed_dns_resolver_config: {
        name: 'cares',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig`,
          resolvers: [socketAddress('127.0.0.1', 5353), socketAddress('::1', 53)],
          dns_resolver_options: { no_default_search_domain: true },
          query_timeout_seconds: 2,
          query_tries: 3,
        },
      },
      dns_resolvers: [socketAddress('9.9.9.9', 53)],
    });
    t.match(config.dns, {
      lookupFamily: 'V4_PREFERRED',
      refreshRateMs: 60_000,
      respectTtl: true,
      jitterMs: 2000,
      failureRefresh: { baseMs: 3000, maxMs: 30_000 },
      resolver: {
        servers: ['127.0.0.1:5353', '[::1]:53'],
        searchDomains: false,
        timeoutMs: 2000,
        tries: 3,
      },
    });
    t.end();
  });

  t.test('reads DNS settings of the extension alone', (t) => {
    const settings = {
      dns_refresh_rate: '7s',
      dns_lookup_family: 'V6_ONLY',
      dns_min_refresh_rate: '2s',
    };
    const config = cluster({
      name: 'c',
      dns_refresh_rate: '60s',
      ...clusterType(DNS_CLUSTER, settings),
      ...endpoints(socketAddress('a.b', 1)),
    });
    t.equal(config.type, 'STRICT_DNS');
    t.match(config.dns, { refreshRateMs: 7000, lookupFamily: 'V6_ONLY', minRefreshRateMs: 2000 });
    const single = { all_addresses_in_single_endpoint: true };
    t.match(
      cluster({
        name: 'c',
        ...clusterType(DNS_CLUSTER, single),
        ...endpoints(socketAddress('a.b', 1)),
      }),
      { type: 'LOGICAL_DNS', dns: { lookupFamily: 'AUTO', refreshRateMs: 5000 } },
    );
    t.end();
  });

  t.test('knows the built-in types by name, too', (t) => {
    for (const [name, type] of [
      ['envoy.cluster.static', 'STATIC'],
      ['envoy.cluster.strict_dns', 'STRICT_DNS'],
      ['envoy.cluster.logical_dns', 'LOGICAL_DNS'],
    ] as const) {
      const config = cluster({
        name: 'c',
        cluster_type: { name },
        ...endpoints(socketAddress('127.0.0.1', 1)),
      });
      t.equal(config.type, type);
    }
    const original = { cluster_type: { name: 'envoy.cluster.original_dst' } };
    t.equal(
      cluster({ name: 'c', ...original, lb_policy: 'CLUSTER_PROVIDED' }).type,
      'ORIGINAL_DST',
    );
    t.end();
  });

  t.test('reads a dynamic forward proxy, whose hosts are held to their names', (t) => {
    const config = cluster({
      name: 'c',
      lb_policy: 'CLUSTER_PROVIDED',
      ...clusterType(FORWARD_PROXY, { dns_cache_config: { name: 'n', max_hosts: 7 } }),
    });
    t.match(config, {
      type: 'DYNAMIC_FORWARD_PROXY',
      forwardProxy: { name: 'n', maxHosts: 7, hostTtlMs: 300_000, queryTimeoutMs: 5000 },
      http: { autoTls: { sni: true, sanValidation: true } },
    });
    t.end();
  });

  t.test('reads an aggregate', (t) => {
    const config = cluster({
      name: 'c',
      lb_policy: 'CLUSTER_PROVIDED',
      ...clusterType(AGGREGATE, { clusters: ['a', 'b'] }),
    });
    t.match(config, { type: 'AGGREGATE', aggregateOf: ['a', 'b'] });
    t.end();
  });

  t.test('reads the metadata that names a destination', (t) => {
    const config = cluster({
      name: 'c',
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      original_dst_lb_config: { metadata_key: { key: 'ns', path: [{ key: 'a' }, { key: 'b' }] } },
    });
    t.strictSame(config.originalDst?.metadataPath, ['ns', 'a', 'b']);
    t.end();
  });

  t.test('reads the name asked of EDS', (t) => {
    t.equal(cluster({ name: 'c', type: 'EDS', ...eds }).edsServiceName, '');
    const named = { eds_cluster_config: { ...eds.eds_cluster_config, service_name: 's' } };
    t.equal(cluster({ name: 'c', type: 'EDS', ...named }).edsServiceName, 's');
    t.end();
  });

  t.test('reads load balancing from the enum and from the list, which wins', (t) => {
    const kind = (json: Json): unknown => cluster({ name: 'c', ...json }).lbPolicy;
    const list = (...types: readonly string[]): Json => ({
      load_balancing_policy: {
        policies: types.map((type) => ({
          typed_extension_config: {
            name: 'p',
            typed_config: { '@type': `${TYPE}/envoy.extensions.load_balancing_policies.${type}` },
          },
        })),
      },
    });
    t.match(kind({ lb_policy: 'LEAST_REQUEST' }), { kind: 'least_request', choiceCount: 2 });
    t.match(kind({ lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 4 } }), {
      kind: 'least_request',
      choiceCount: 4,
    });
    t.match(kind({ lb_policy: 'MAGLEV', ...list('pick_first.v3.PickFirst', 'random.v3.Random') }), {
      kind: 'random',
    });
    t.end();
  });

  t.test('reads HTTP settings in both forms', (t) => {
    const http = (json: Json): unknown => cluster({ name: 'c', ...json }).http;
    t.match(http({ http2_protocol_options: {} }), { protocol: 'http2' });
    t.match(http({ max_requests_per_connection: 1 }), { maxRequestsPerConnection: 1 });
    t.match(http(httpOptions({ explicit_http_config: { http2_protocol_options: {} } })), {
      protocol: 'http2',
    });
    t.match(
      http(
        httpOptions({
          use_downstream_protocol_config: {},
          common_http_protocol_options: { idle_timeout: '300s' },
        }),
      ),
      {
        protocol: 'use_downstream',
        idleTimeoutMs: 300_000,
      },
    );
    t.end();
  });

  t.test('reads an original destination cluster as Istio sends it', (t) => {
    const config = cluster({
      name: 'inbound|9080||',
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      cleanup_interval: '9223372035s',
      upstream_bind_config: { source_address: { address: '127.0.0.6', port_value: 0 } },
    });
    t.equal(config.bind?.sources[0]?.address, '127.0.0.6');
    t.match(config.originalDst, { useHttpHeader: false, cleanupIntervalMs: 9_223_372_035_000 });
    t.end();
  });

  t.test('takes an empty panic threshold as off', (t) => {
    const config = cluster({ name: 'c', common_lb_config: { healthy_panic_threshold: {} } });
    t.equal(config.panicThresholdPercent, 0);
    t.end();
  });

  t.test('names what does nothing yet', (t) => {
    const config = cluster({
      name: 'c',
      lrs_server: {},
      filters: [
        {
          name: 'istio.metadata_exchange',
          typed_config: {
            '@type': `${TYPE}/udpa.type.v1.TypedStruct`,
            type_url: `${TYPE}/envoy.tcp.metadataexchange.config.MetadataExchange`,
          },
        },
      ],
    });
    t.strictSame(config.inert, ['istio.metadata_exchange', 'lrs_server']);
    t.end();
  });

  t.test('says the same whatever order maps come in', (t) => {
    const withMetadata = (metadata: Json): Json => ({
      name: 'c',
      metadata: { filter_metadata: metadata },
    });
    const one = cluster(withMetadata({ a: { x: 1 }, b: { y: 2 } }));
    const other = cluster(withMetadata({ b: { y: 2 }, a: { x: 1 } }));
    t.ok(sameCluster(one, { ...other, version: 'v9' }));
    t.notOk(sameCluster(one, cluster({ name: 'c' })));
    t.end();
  });
  t.end();
});
