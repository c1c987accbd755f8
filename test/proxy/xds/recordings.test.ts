// Every resource that a real istiod sent decodes, is plain data, and means what its scenario says.
import { globSync, readFileSync } from 'node:fs';
import t from 'tap';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../../../proxy/config/endpoint-config.ts';
import type { ListenerConfig } from '../../../proxy/config/listener-config.ts';
import type { RouteConfig, RouteEntryConfig } from '../../../proxy/config/route-config.ts';
import { inertParts } from '../../../proxy/xds/inert-parts.ts';
import {
  clusterType,
  endpointsType,
  listenerType,
  routeType,
} from '../../../proxy/xds/resource-types.ts';
import type { ResourceType } from '../../../proxy/xds/subscription-state.ts';
import { decode } from '../../../xds-protos/codec.ts';
import type { Any } from '../../../xds-protos/well-known-types.ts';
import { managerOf } from './decoding.ts';

const ROOT = new URL('../../fixtures/istiod/', import.meta.url).pathname;

function resourcesIn(file: string): readonly Any[] {
  const bytes = readFileSync(ROOT + file);
  if (file.includes('-sotw/'))
    return decode('envoy.service.discovery.v3.DiscoveryResponse', bytes).resources ?? [];
  const { resources } = decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  return (resources ?? []).flatMap(({ resource }) => resource ?? []);
}

function load<T>(node: string, type: ResourceType<T>): ReadonlyMap<string, T> {
  const kinds = {
    clusters: 'cds',
    endpoints: 'eds',
    listeners: 'lds',
    routes: 'rds',
    extensions: '-',
    secrets: '-',
    runtime: '-',
    scopes: '-',
  };
  const kind = kinds[type.kind];
  const file = globSync(`${node}/0*-${kind}.pb`, { cwd: ROOT })[0]!;
  return new Map(
    resourcesIn(file).map((any) => {
      const parsed = type.parse(any.value);
      return [parsed.name, parsed.toConfig('v')];
    }),
  );
}

const clusters = (node: string): ReadonlyMap<string, ClusterConfig> => load(node, clusterType);
const endpoints = (node: string): ReadonlyMap<string, ClusterEndpointsConfig> =>
  load(node, endpointsType);
const listeners = (node: string): ReadonlyMap<string, ListenerConfig> => load(node, listenerType);
const routes = (node: string): ReadonlyMap<string, RouteConfig> => load(node, routeType);

function routesOf(table: RouteConfig | undefined, host: string): readonly RouteEntryConfig[] {
  const found = table?.virtualHosts.find(({ name }) => name === host);
  if (found === undefined) throw new Error(`no virtual host ${host}`);
  return found.routes;
}

const SDS_GRPC = { kind: 'grpc', cluster: 'sds-grpc', delta: false };

t.test('recordings of istiod', (t) => {
  t.test('decode without error, all of them, to plain data', (t) => {
    const types: readonly ResourceType<unknown>[] = [
      clusterType,
      endpointsType,
      listenerType,
      routeType,
    ];
    let count = 0;
    const failures: string[] = [];
    for (const file of globSync('*/*/*.pb', { cwd: ROOT })) {
      for (const any of resourcesIn(file)) {
        const type = types.find(({ typeUrl }) => typeUrl === any.type_url);
        if (type === undefined) continue;
        const parsed = type.parse(any.value);
        try {
          const config = parsed.toConfig('v');
          structuredClone(config);
          count++;
        } catch (error) {
          failures.push(`${file} ${parsed.name}: ${(error as Error).message}`);
        }
      }
    }
    t.strictSame(failures, []);
    t.ok(count > 1900, `${count} resources`);
    t.end();
  });

  t.test('refuse requests only where a policy asks for it', (t) => {
    const refusing = (node: string): readonly string[] =>
      [
        ...new Set([...listeners(node).values()].flatMap((listener) => inertParts({ listener }))),
      ].filter((note) => note.includes('refuses'));
    t.strictSame(refusing('01-bookinfo/productpage'), []);
    t.strictSame(refusing('04-security/productpage'), []);
    t.strictSame(refusing('04-security/reviews-v1'), [
      'http filter envoy.filters.http.jwt_authn: not enforced in this version, refuses requests',
      'http filter envoy.filters.http.rbac: not enforced in this version, refuses requests',
      'network filter envoy.filters.network.rbac: not enforced in this version, refuses connections',
    ]);
    t.end();
  });

  t.test('01: outbound and inbound listeners of a sidecar', (t) => {
    const found = listeners('01-bookinfo/productpage');
    const outbound = found.get('virtualOutbound');
    t.match(outbound, {
      useOriginalDst: true,
      trafficDirection: 'OUTBOUND',
      bindToPort: true,
      listenerFilters: [],
    });
    t.match(outbound?.filterChains, [
      { name: 'virtualOutbound-blackhole', match: { destinationPort: 15001 } },
      { name: 'virtualOutbound-catchall-tcp' },
    ]);
    const inbound = found.get('virtualInbound');
    t.strictSame(
      inbound?.listenerFilters.map(({ kind }) => kind),
      ['original_dst', 'tls_inspector', 'http_inspector'],
    );
    t.equal(inbound?.listenerFiltersTimeoutMs, 0);
    const service = found.get('0.0.0.0_9080');
    t.match(service, {
      bindToPort: false,
      filterChains: [
        { match: { transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.1', 'h2c'] } },
      ],
    });
    t.match(service?.defaultFilterChain, { name: 'PassthroughFilterChain' });
    const manager = managerOf(service!);
    t.match(manager.routes, {
      kind: 'rds',
      name: '9080',
      from: { source: { kind: 'ads' }, initialFetchTimeoutMs: 0 },
    });
    t.match(manager, {
      statPrefix: 'outbound_0.0.0.0_9080;',
      streamIdleTimeoutMs: 0,
      proxy100Continue: true,
      normalizePath: true,
    });
    t.strictSame(
      manager.httpFilters.map(({ name, settings }) => `${name} ${settings.kind}`),
      [
        'istio.metadata_exchange inert',
        'envoy.filters.http.grpc_stats grpc_stats',
        'istio.alpn alpn_override',
        'envoy.filters.http.fault fault',
        'envoy.filters.http.cors cors',
        'istio.stats inert',
        'envoy.filters.http.router router',
      ],
    );
    t.end();
  });

  t.test('01: inbound chains pick TLS, ALPN and plaintext', (t) => {
    const chains = listeners('01-bookinfo/reviews-v2').get('virtualInbound')?.filterChains ?? [];
    const service = chains.filter(({ match }) => match.destinationPort === 9080);
    t.strictSame(
      service.map(({ match, transportSocket }) => [
        match.transportProtocol,
        match.applicationProtocols.length,
        transportSocket.kind,
      ]),
      [
        ['tls', 5, 'tls'],
        ['raw_buffer', 0, 'raw_buffer'],
      ],
    );
    t.match(service[0]?.transportSocket, {
      settings: {
        requireClientCertificate: true,
        certificates: [{ kind: 'secret', secret: { name: 'default', source: SDS_GRPC } }],
        validation: {
          inline: {
            subjectAltNames: [
              { type: 'ANY', match: { kind: 'prefix', value: 'spiffe://cluster.local/' } },
            ],
          },
          secret: { name: 'ROOTCA', source: SDS_GRPC, initialFetchTimeoutMs: 0 },
        },
        parameters: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
        alpnProtocols: ['h2', 'http/1.1'],
      },
    });
    t.end();
  });

  t.test('01: clusters and endpoints', (t) => {
    const found = clusters('01-bookinfo/productpage');
    t.match(found.get('outbound|9080||reviews.default.svc.cluster.local'), {
      type: 'EDS',
      lbPolicy: { kind: 'least_request', choiceCount: 2 },
      connectTimeoutMs: 10_000,
      statName: 'outbound|9080||reviews.default.svc.cluster.local;',
      circuitBreakers: { default: { maxConnections: 4294967295, maxRetries: 4294967295 } },
      transportSocketMatches: [{ name: 'tlsMode-istio' }, { name: 'tlsMode-disabled' }],
      inert: ['istio.metadata_exchange'],
    });
    t.match(found.get('inbound|9080||'), {
      type: 'ORIGINAL_DST',
      bind: { sources: [{ address: '127.0.0.6', port: 0 }] },
      lbPolicy: { kind: 'cluster_provided' },
    });
    t.match(found.get('BlackHoleCluster'), { type: 'STATIC', localities: [] });
    const assignment = endpoints('01-bookinfo/productpage').get(
      'outbound|9080||reviews.default.svc.cluster.local',
    );
    t.equal(assignment?.localities.flatMap((locality) => locality.endpoints).length, 3);
    t.end();
  });

  t.test('01: a service route with Istio defaults', (t) => {
    const [route] = routesOf(
      routes('01-bookinfo/productpage').get('9080'),
      'reviews.default.svc.cluster.local:9080',
    );
    t.match(route, {
      name: 'default',
      match: { path: { kind: 'prefix', value: '/' } },
      tracing: { operation: 'reviews.default.svc.cluster.local:9080/*', propagate: true },
      action: {
        kind: 'route',
        cluster: { kind: 'cluster', name: 'outbound|9080||reviews.default.svc.cluster.local' },
        timeoutMs: 0,
        maxGrpcTimeoutMs: 0,
        retryPolicy: {
          retryOn: [
            'connect-failure',
            'refused-stream',
            'unavailable',
            'cancelled',
            'retriable-status-codes',
          ],
          numRetries: 2,
          rateLimitedBackoff: undefined,
          hostPredicates: [{ kind: 'previous_hosts' }],
          hostSelectionRetryMaxAttempts: 5,
        },
      },
    });
    t.end();
  });

  t.test('02: weights, matches, rewrites, redirects, mirrors, headers', (t) => {
    const table = routes('02-routing/productpage').get('9080');
    const all = table?.virtualHosts.flatMap((host) => host.routes) ?? [];
    const action = (name: string): unknown => all.find((route) => route.name === name)?.action;
    t.equal(table?.ignorePortInHostMatching, true);
    const weighted = all.flatMap(({ action }) =>
      action.kind === 'route' && action.cluster.kind === 'weighted'
        ? [action.cluster.clusters]
        : [],
    );
    t.ok(weighted.length > 0);
    t.ok(weighted.some((entries) => entries.map(({ weight }) => weight).join() === '80,20'));
    t.match(all.find(({ name }) => name === 'jason')?.match.headers, [
      { name: 'end-user', test: { kind: 'string', match: { kind: 'exact', value: 'jason' } } },
    ]);
    t.match(all.find(({ name }) => name === 'portal.json')?.match, {
      caseSensitive: false,
      path: { kind: 'prefix', value: '/portal' },
    });
    t.match(action('by-id'), { kind: 'route' });
    t.ok(
      all.some(
        ({ match }) => match.path.kind === 'regex' && match.path.pattern === '/reviews/[0-9]+',
      ),
    );
    t.ok(
      all.some(
        ({ action }) =>
          action.kind === 'redirect' && action.status === 302 && action.path === '/new',
      ),
    );
    t.ok(
      all.some(
        ({ action }) =>
          action.kind === 'redirect' && action.scheme === 'https' && action.port === 8443,
      ),
    );
    t.ok(all.some(({ action }) => action.kind === 'route' && action.timeoutMs === 1000));
    t.ok(
      all.some(
        ({ action }) => action.kind === 'route' && action.regexRewrite?.substitution === '/\\2/\\1',
      ),
    );
    t.ok(all.some(({ action }) => action.kind === 'route' && action.mirrors.length === 2));
    t.ok(
      all.some(({ headers }) =>
        headers.requestAdd.some(({ action }) => action === 'OVERWRITE_IF_EXISTS_OR_ADD'),
      ),
    );
    t.end();
  });

  t.test('03: delays and aborts', (t) => {
    const all = [...routes('03-faults/productpage').values()].flatMap(({ virtualHosts }) =>
      virtualHosts.flatMap((host) => host.routes),
    );
    const faults = all.flatMap(({ perFilter }) =>
      perFilter.flatMap(({ settings }) => (settings?.kind === 'fault' ? [settings] : [])),
    );
    t.ok(faults.some(({ delay }) => delay?.fixedDelayMs === 2000));
    t.ok(
      faults.some(
        ({ abort }) => abort?.source.kind === 'http_status' && abort.source.status === 400,
      ),
    );
    t.ok(
      faults.some(
        ({ abort }) => abort?.source.kind === 'grpc_status' && abort.source.status === 14,
      ),
    );
    t.ok(
      faults.every((fault) => (fault.delay ?? fault.abort)?.percentage.denominator === 1_000_000),
    );
    t.end();
  });
  t.end();
});
