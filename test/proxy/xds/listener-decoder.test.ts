// Listeners, filter chains, connection managers, filters and access logs: defaults, policy, and mistakes with their paths.
import t from 'tap';
import {
  MANAGER_PATH,
  listener,
  listenerJson,
  managerFilter,
  managerListener,
  managerOf,
  problemsOf,
  routerFilter,
  socketAddress,
  tcpProxyFilter,
} from './decoding.ts';
import type { Json } from './decoding.ts';

const TYPE = 'type.googleapis.com';
const HTTP = `${TYPE}/envoy.extensions.filters.http`;
const NETWORK = `${TYPE}/envoy.extensions.filters.network`;

const chains = (...matches: readonly Json[]): Json =>
  listenerJson({
    filter_chains: matches.map((match, i) => ({
      name: `c${i}`,
      filter_chain_match: match,
      filters: [tcpProxyFilter()],
    })),
  });
const httpFilters = (...filters: readonly Json[]): Json =>
  managerListener({ http_filters: filters });
const typed = (name: string, type: string, fields: Json = {}): Json => ({
  name,
  typed_config: { '@type': type, ...fields },
});
const struct = (name: string, typeUrl: string, value: Json = {}): Json =>
  typed(name, `${TYPE}/udpa.type.v1.TypedStruct`, { type_url: `${TYPE}/${typeUrl}`, value });
const network = (...filters: readonly Json[]): Json =>
  listenerJson({ filter_chains: [{ filters }] });
const logs = (log: Json): Json => managerListener({ access_log: [log] });

const duplicate = (name: string, other: string, match: string): string =>
  `error adding listener '127.0.0.1:80': filter chain '${name}' has the same matching rules defined as '${other}'. duplicate matcher is: ${match}`;

const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
  [
    'a listener without address',
    { name: 'l', filter_chains: [{ filters: [tcpProxyFilter()] }] },
    ['address: is required'],
  ],
  [
    'a host name as address',
    listenerJson({ address: socketAddress('example.com', 80) }),
    [
      "address.socket_address.address: malformed IP address: example.com. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
    ],
  ],
  [
    'a port beyond 65535',
    listenerJson({ address: socketAddress('::1', 65536) }),
    ['address.socket_address.port_value: must be between 0 and 65535, is 65536'],
  ],
  [
    'a listener without chains',
    listenerJson({ filter_chains: [] }),
    ["filter_chains: error adding listener '127.0.0.1:80': no filter chains specified"],
  ],
  [
    'QUIC and internal listeners',
    listenerJson({ udp_listener_config: {}, internal_listener: {} }),
    [
      'internal_listener: is not supported by this version',
      'udp_listener_config: is not supported by this version',
    ],
  ],
  [
    'two chains that match the same',
    chains({ transport_protocol: 'tls' }, { transport_protocol: 'tls' }),
    [
      `filter_chains[1].filter_chain_match: ${duplicate('c1', 'c0', '{"transport_protocol":"tls"}')}`,
    ],
  ],
  [
    'chains that overlap in one name',
    chains({ server_names: ['a.b', 'c.d'] }, { server_names: ['C.D'] }),
    [`filter_chains[1].filter_chain_match: ${duplicate('c1', 'c0', '{"server_names":["C.D"]}')}`],
  ],
  [
    'chains whose ranges are the same network',
    chains(
      { prefix_ranges: [{ address_prefix: '10.1.2.3', prefix_len: 8 }] },
      { prefix_ranges: [{ address_prefix: '10.9.9.9', prefix_len: 8 }] },
    ),
    [
      `filter_chains[1].filter_chain_match: ${duplicate('c1', 'c0', '{"prefix_ranges":[{"address_prefix":"10.9.9.9","prefix_len":8}]}')}`,
    ],
  ],
  [
    'partial wildcards',
    chains({ server_names: ['*w.example.com', '*'] }),
    [
      'filter_chains[0].filter_chain_match.server_names[0]: partial wildcards are not supported in "server_names"',
      'filter_chains[0].filter_chain_match.server_names[1]: partial wildcards are not supported in "server_names"',
    ],
  ],
  [
    'a malformed range',
    chains({ prefix_ranges: [{ address_prefix: '10.0.0', prefix_len: 8 }] }),
    [
      'filter_chains[0].filter_chain_match.prefix_ranges[0].address_prefix: malformed IP address: 10.0.0',
    ],
  ],
  [
    'a network filter after the terminal one',
    network(
      tcpProxyFilter(),
      struct('istio.metadata_exchange', 'envoy.tcp.metadataexchange.config.MetadataExchange'),
    ),
    [
      'filter_chains[0].filters[0]: Error: terminal filter named envoy.filters.network.tcp_proxy of type envoy.filters.network.tcp_proxy must be the last filter in a network filter chain.',
      'filter_chains[0].filters[1]: Error: non-terminal filter named istio.metadata_exchange of type istio.metadata_exchange is the last filter in a network filter chain.',
    ],
  ],
  [
    'an unknown network filter',
    network(typed('router', `${TYPE}/envoy.extensions.filters.http.router.v3.Router`)),
    [
      "filter_chains[0].filters[0].typed_config: Didn't find a registered implementation for 'router' with type URL: 'envoy.extensions.filters.http.router.v3.Router'",
    ],
  ],
  [
    'a TCP proxy to nowhere',
    network(typed('t', `${NETWORK}.tcp_proxy.v3.TcpProxy`)),
    [
      'filter_chains[0].filters[0].typed_config.stat_prefix: is required',
      'filter_chains[0].filters[0].typed_config: one of cluster, weighted_clusters is required',
    ],
  ],
  [
    'a tunnel with a path that no request has',
    network(tcpProxyFilter({ tunneling_config: { hostname: 'h:1', post_path: '/' } })),
    [
      "filter_chains[0].filters[0].typed_config.tunneling_config.post_path: Can't set a post path when POST method isn't used",
    ],
  ],
  [
    'an unknown listener filter',
    listenerJson({
      listener_filters: [
        typed('p', `${TYPE}/envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit`),
      ],
    }),
    [
      "listener_filters[0].typed_config: Didn't find a registered implementation for 'p' with type URL: 'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit'",
    ],
  ],
  [
    'a router that is not last',
    httpFilters(routerFilter, typed('envoy.filters.http.cors', `${HTTP}.cors.v3.Cors`)),
    [
      `${MANAGER_PATH}.http_filters[0]: Error: terminal filter named envoy.filters.http.router of type envoy.filters.http.router must be the last filter in a http filter chain.`,
      `${MANAGER_PATH}.http_filters[1]: Error: non-terminal filter named envoy.filters.http.cors of type envoy.filters.http.cors is the last filter in a http filter chain.`,
    ],
  ],
  [
    'an unknown HTTP filter',
    httpFilters(typed('x', `${HTTP}.ext_proc.v3.ExternalProcessor`), routerFilter),
    [
      `${MANAGER_PATH}.http_filters[0].typed_config: Didn't find a registered implementation for 'x' with type URL: 'envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor'`,
    ],
  ],
  [
    'a header the router cannot check',
    httpFilters(typed('r', `${HTTP}.router.v3.Router`, { strict_check_headers: ['x-a'] })),
    [
      `${MANAGER_PATH}.http_filters[0].typed_config.strict_check_headers[0]: must be one of x-envoy-upstream-rq-timeout-ms, x-envoy-upstream-rq-per-try-timeout-ms, x-envoy-max-retries, x-envoy-retry-grpc-on, x-envoy-retry-on, is x-a`,
    ],
  ],
  [
    'too many kilobytes of headers',
    managerListener({ max_request_headers_kb: 9000 }),
    [`${MANAGER_PATH}.max_request_headers_kb: must be between 1 and 8192, is 9000`],
  ],
  [
    'the same upgrade twice',
    managerListener({
      upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'WebSocket' }],
    }),
    [
      `${MANAGER_PATH}.upgrade_configs[1].upgrade_type: Error: multiple upgrade configs with the same name: 'WebSocket'`,
    ],
  ],
  [
    'a route table by REST',
    managerListener({
      route_config: undefined,
      rds: {
        route_config_name: 'r',
        config_source: { api_config_source: { api_type: 'REST', transport_api_version: 'V3' } },
      },
    }),
    [
      `${MANAGER_PATH}.rds.config_source.api_config_source.api_type: must be GRPC or DELTA_GRPC, is REST`,
      `${MANAGER_PATH}.rds.config_source.api_config_source.grpc_services: must name one service, by envoy_grpc`,
    ],
  ],
  [
    'a mistake deep in an inline table',
    managerListener({
      route_config: {
        virtual_hosts: [
          {
            name: 'h',
            domains: ['*'],
            routes: [{ match: { safe_regex: { regex: '(' } }, route: { cluster: 'c' } }],
          },
        ],
      },
    }),
    [
      `${MANAGER_PATH}.route_config.virtual_hosts[0].routes[0].match.safe_regex.regex: invalid regex '(': error parsing regexp: missing closing ): \`(\``,
    ],
  ],
  [
    'a log without path and with an unknown formatter',
    logs(
      typed('f', `${TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog`, {
        log_format: { text_format: 'x', formatters: [{ name: 'f' }] },
      }),
    ),
    [
      `${MANAGER_PATH}.access_log[0].typed_config.path: is required`,
      `${MANAGER_PATH}.access_log[0].typed_config.log_format.formatters[0].typed_config: is required`,
    ],
  ],
  [
    'an unknown transport socket',
    listenerJson({
      filter_chains: [
        {
          filters: [tcpProxyFilter()],
          transport_socket: typed(
            's',
            `${TYPE}/envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig`,
          ),
        },
      ],
    }),
    [
      "filter_chains[0].transport_socket.typed_config: Didn't find a registered implementation for 's' with type URL: 'envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig'",
    ],
  ],
];

/** JSON leaves `undefined` out, as JSON.stringify does. */
const cleaned = (json: Json): Json => JSON.parse(JSON.stringify(json)) as Json;

t.test('decodeListener', (t) => {
  for (const [what, json, expected] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => listener(cleaned(json))),
        expected,
      );
      t.end();
    });
  }

  t.test('fills in the defaults', (t) => {
    const config = listener(listenerJson());
    t.match(config, {
      name: 'l',
      version: 'v1',
      bindToPort: true,
      useOriginalDst: false,
      listenerFiltersTimeoutMs: 15_000,
      perConnectionBufferLimitBytes: 1_048_576,
      tcpBacklogSize: 0x7fff_ffff,
      statPrefix: '127.0.0.1_80',
      drainType: 'DEFAULT',
      filterChains: [
        { transportSocket: { kind: 'raw_buffer' }, transportSocketConnectTimeoutMs: 0 },
      ],
    });
    t.match(config.filterChains[0]?.networkFilters, [
      {
        kind: 'tcp_proxy',
        settings: { idleTimeoutMs: 3_600_000, maxConnectAttempts: 1, hashPolicy: undefined },
      },
    ]);
    t.equal(
      listener(listenerJson({ address: socketAddress('::', 15006) })).statPrefix,
      '[__]_15006',
    );
    t.end();
  });

  t.test('fills in the defaults of the connection manager', (t) => {
    t.match(managerOf(listener(managerListener())), {
      codecType: 'AUTO',
      idleTimeoutMs: 3_600_000,
      streamIdleTimeoutMs: 300_000,
      requestTimeoutMs: 0,
      drainTimeoutMs: 5000,
      delayedCloseTimeoutMs: 1000,
      maxRequestHeadersKb: 60,
      maxHeadersCount: 100,
      generateRequestId: true,
      packTraceReason: true,
      serverName: 'envoy',
      serverHeaderTransformation: 'OVERWRITE',
      pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
      forwardClientCertDetails: 'SANITIZE',
      internalAddresses: undefined,
      http1: { allowAbsoluteUrl: true, acceptHttp10: false, headerKeyFormat: 'lower' },
      routes: { kind: 'inline', config: { validateClusters: true } },
      inert: [],
    });
    t.equal(
      managerOf(listener(managerListener({ stream_idle_timeout: '0s' }))).streamIdleTimeoutMs,
      0,
    );
    t.end();
  });

  t.test('treats HTTP filters that are not built by what they would do', (t) => {
    const settings = (filter: Json): unknown =>
      managerOf(listener(httpFilters(filter, routerFilter))).httpFilters[0]?.settings;
    const rbac = `${HTTP}.rbac.v3.RBAC`;
    const wasm = `${HTTP}.wasm.v3.Wasm`;
    const discovery = (types: readonly string[], defaults: Json = {}): Json => ({
      name: 'ext',
      config_discovery: {
        config_source: { ads: {}, resource_api_version: 'V3' },
        type_urls: types,
        ...defaults,
      },
    });
    const cases: readonly (readonly [what: string, filter: Json, kind: string])[] = [
      [
        'peer metadata in a TypedStruct',
        struct('istio.metadata_exchange', 'io.istio.http.peer_metadata.Config'),
        'inert',
      ],
      ['Istio stats', typed('istio.stats', `${TYPE}/stats.PluginConfig`), 'inert'],
      ['gRPC-Web', typed('w', `${HTTP}.grpc_web.v3.GrpcWeb`), 'grpc_web'],
      [
        'an empty stateful session',
        typed('s', `${HTTP}.stateful_session.v3.StatefulSession`),
        'stateful_session',
      ],
      ['RBAC with rules', typed('r', rbac, { rules: { policies: {} } }), 'refuse'],
      [
        'RBAC with shadow rules only',
        typed('r', rbac, { shadow_rules: { action: 'DENY' } }),
        'inert',
      ],
      ['RBAC that only audits', typed('r', rbac, { rules: { action: 'LOG' } }), 'inert'],
      [
        'RBAC in a TypedStruct',
        struct('r', 'envoy.extensions.filters.http.rbac.v3.RBAC', { rules: {} }),
        'refuse',
      ],
      ['JWT', typed('j', `${HTTP}.jwt_authn.v3.JwtAuthentication`), 'refuse'],
      [
        'external authorization over gRPC',
        typed('e', `${HTTP}.ext_authz.v3.ExtAuthz`, {
          grpc_service: { envoy_grpc: { cluster_name: 'c' } },
          failure_mode_allow: true,
        }),
        'ext_authz',
      ],
      ['Lua', typed('e', `${HTTP}.lua.v3.Lua`), 'refuse'],
      ['Wasm that fails closed', typed('e', wasm, { config: {} }), 'refuse'],
      ['Wasm that fails open', typed('e', wasm, { config: { fail_open: true } }), 'inert'],
      [
        'Wasm whose policy is to fail open',
        typed('e', wasm, { config: { failure_policy: 'FAIL_OPEN' } }),
        'inert',
      ],
      ['ECDS of Wasm', discovery([wasm, rbac]), 'discovered'],
    ];
    for (const [what, filter, kind] of cases) t.match(settings(filter), { kind }, what);
    t.match(settings(cases[4]![1]), { reason: /^r is not enforced by this version of Outrigger/ });
    t.end();
  });

  t.test('passes over optional filters it does not know', (t) => {
    const unknown = { ...typed('x', `${HTTP}.ext_proc.v3.ExternalProcessor`), is_optional: true };
    t.strictSame(
      managerOf(listener(httpFilters(unknown, routerFilter))).httpFilters.map((f) => f.name),
      ['envoy.filters.http.router'],
    );
    t.end();
  });

  t.test('refuses what metadata of an idle filter would switch on', (t) => {
    const authz = (filter: string): Json =>
      typed('a', `${HTTP}.ext_authz.v3.ExtAuthz`, {
        http_service: { server_uri: { uri: 'http://a', cluster: 'a', timeout: '1s' } },
        filter_enabled_metadata: {
          filter,
          path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
          value: { string_match: { prefix: 'istio-ext-authz' } },
        },
      });
    const dryRun = typed('r', `${HTTP}.rbac.v3.RBAC`, { shadow_rules: {} });
    const last = (...filters: readonly Json[]): unknown =>
      managerOf(listener(httpFilters(...filters, routerFilter))).httpFilters.at(-2)?.settings;
    t.match(last(dryRun, authz('envoy.filters.http.rbac')), { kind: 'refuse' }, 'Istio CUSTOM');
    t.match(last(dryRun, authz('mine')), { kind: 'refuse' }, 'another name of it');
    t.match(last(authz('envoy.filters.http.rbac')), { kind: 'refuse' });
    t.match(last(authz('envoy.filters.http.header_to_metadata')), { kind: 'ext_authz' });
    t.end();
  });

  t.test('treats network filters alike', (t) => {
    const kinds = (filter: Json): unknown =>
      listener(network(filter, tcpProxyFilter())).filterChains[0]?.networkFilters[0]?.kind;
    t.equal(kinds(struct('m', 'envoy.tcp.metadataexchange.config.MetadataExchange')), 'inert');
    t.equal(
      kinds(typed('m', `${NETWORK}.mongo_proxy.v3.MongoProxy`, { stat_prefix: 'x' })),
      'inert',
    );
    t.equal(
      kinds(typed('r', `${NETWORK}.rbac.v3.RBAC`, { rules: {}, stat_prefix: 'x' })),
      'refuse',
    );
    t.equal(
      kinds(typed('r', `${NETWORK}.rbac.v3.RBAC`, { shadow_rules: {}, stat_prefix: 'x' })),
      'inert',
    );
    t.equal(kinds(typed('r', `${NETWORK}.ext_authz.v3.ExtAuthz`, { stat_prefix: 'x' })), 'refuse');
    t.end();
  });

  t.test('reads the predicates that switch listener filters off', (t) => {
    const range = (start: number): Json => ({ destination_port_range: { start, end: start + 1 } });
    const config = listener(
      listenerJson({
        listener_filters: [
          {
            ...typed(
              'tls',
              `${TYPE}/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector`,
            ),
            filter_disabled: { or_match: { rules: [range(15006), { not_match: range(9080) }] } },
          },
          typed('src', `${TYPE}/envoy.extensions.filters.listener.original_src.v3.OriginalSrc`, {
            mark: 1337,
          }),
        ],
      }),
    );
    t.strictSame(config.listenerFilters, [
      {
        name: 'tls',
        kind: 'tls_inspector',
        disabled: {
          kind: 'or',
          rules: [
            { kind: 'destination_port', start: 15006, end: 15007 },
            { kind: 'not', rule: { kind: 'destination_port', start: 9080, end: 9081 } },
          ],
        },
        ja3: undefined,
        ja4: undefined,
        strict: undefined,
      },
      { name: 'src', kind: 'original_src', mark: 1337, disabled: undefined },
    ]);
    t.strictSame(config.inert, []);
    t.end();
  });

  t.test('reads access logs', (t) => {
    const file = `${TYPE}/envoy.extensions.access_loggers.file.v3.FileAccessLog`;
    const log = (fields: Json, filter: Json = {}): unknown =>
      managerOf(
        listener(logs({ ...typed('f', file, { path: '/dev/stdout', ...fields }), ...filter })),
      ).accessLogs[0];
    t.match(log({}), {
      sink: {
        kind: 'file',
        path: '/dev/stdout',
        format: { kind: 'text', text: /^\[%START_TIME%\].*\n$/ },
      },
    });
    t.match(log({ log_format: { json_format: { a: '%DURATION%', b: 1 } } }), {
      sink: { format: { kind: 'json', json: '{"a":"%DURATION%","b":1}' } },
    });
    t.match(
      log(
        {},
        {
          filter: {
            status_code_filter: {
              comparison: { op: 'GE', value: { default_value: 400, runtime_key: 'k' } },
            },
          },
        },
      ),
      {
        filter: { kind: 'status_code', op: 'GE', value: 400 },
      },
    );
    t.match(log({}, { filter: { response_flag_filter: { flags: ['NR'] } } }), {
      filter: { kind: 'response_flag', flags: ['NR'] },
    });
    t.end();
  });

  t.test('gives chains a hash of their content', (t) => {
    const two = (cluster: string): Json =>
      listenerJson({
        filter_chains: [
          { filters: [managerFilter()] },
          {
            filter_chain_match: { transport_protocol: 'tls' },
            filters: [tcpProxyFilter({ cluster })],
          },
        ],
      });
    const before = listener(two('a'));
    const same = listener(two('a'));
    const after = listener(two('b'));
    t.equal(same.hash, before.hash);
    t.not(after.hash, before.hash);
    t.equal(
      after.filterChains[0]?.hash,
      before.filterChains[0]?.hash,
      'an untouched chain keeps its hash',
    );
    t.not(after.filterChains[1]?.hash, before.filterChains[1]?.hash);
    t.end();
  });
  t.end();
});
