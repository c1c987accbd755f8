// [w] Filters by their settings; the small ones (refuse, grpc_stats) are tested here, too.
import t from 'tap';
import { sampleCluster } from '../../support/access-log-entry.ts';
import type {
  HttpFilterPerRouteConfig,
  HttpFilterSettings,
} from '../../../proxy/config/http-filter-config.ts';
import { createHttpFilterFactory } from '../../../proxy/filters/registry.ts';
import { GrpcFrameCounter } from '../../../proxy/filters/http/grpc-stats.ts';
import { HeaderMap } from '../../../proxy/http/header-map.ts';
import { FilterStatus } from '../../../proxy/http/http-filter.ts';
import { H } from '../../../proxy/http/headers.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import { faultConfig } from '../../support/filter-samples.ts';
import { RouterHarness, ScriptedClient } from '../../support/router-harness.ts';
import {
  noHeaders,
  request,
  response,
  routeAction,
  routeConfig,
  routeEntry,
  streamInfo,
  virtualHost,
} from '../../support/route-samples.ts';

function factoryFor(settings: HttpFilterSettings) {
  const harness = new RouterHarness();
  return {
    harness,
    factory: createHttpFilterFactory(
      { name: 'the-filter', disabled: false, settings },
      harness.context,
    ),
  };
}

function clientFor(
  harness: RouterHarness,
  lines: readonly (readonly [string, string])[],
): ScriptedClient {
  const headers = request(lines);
  return new ScriptedClient(headers, harness.table.route(headers, streamInfo()), streamInfo());
}

t.test('createHttpFilterFactory', async (t) => {
  t.test('knows every kind', async (t) => {
    const settings: HttpFilterSettings[] = [
      {
        kind: 'router',
        suppressEnvoyHeaders: false,
        respectExpectedRqTimeout: false,
        strictCheckHeaders: [],
      },
      faultConfig(),
      { kind: 'cors' },
      {
        kind: 'grpc_stats',
        emitFilterState: true,
        enableUpstreamStats: false,
        methods: new Set<string>(),
        replaceDots: false,
      },
      { kind: 'refuse', typeUrl: 'x', reason: 'not built' },
    ];
    settings.push({ kind: 'inert', typeUrl: 'x' });
    for (const one of settings) t.equal(factoryFor(one).factory.name, 'the-filter', one.kind);
  });
});

t.test('RefusingFilter', async (t) => {
  t.test('refuses everything and says which filter it stands for', async (t) => {
    const { harness, factory } = factoryFor({
      kind: 'refuse',
      typeUrl: 'x',
      reason: 'RBAC is not built yet',
    });
    const client = clientFor(harness, []);
    t.equal(
      factory.createFilter(client)!.decodeHeaders(client.requestHeaders, true),
      FilterStatus.StopIteration,
    );
    t.same(
      [client.reply?.status, client.reply?.body, client.reply?.details],
      [
        503,
        'filter the-filter is not enforced by this proxy: RBAC is not built yet',
        'filter_not_enforced{the-filter}',
      ],
    );
    t.equal(harness.stat('http.test.filter_not_enforced'), 1);
  });
});

/** A client on a route that says `perFilter` of the filter. */
function clientOnRoute(perFilter: HttpFilterPerRouteConfig[]): ScriptedClient {
  const table = new CompiledRouteTable(
    routeConfig([virtualHost({ routes: [routeEntry({ perFilter })] })]),
  );
  const headers = request();
  return new ScriptedClient(headers, table.route(headers, streamInfo()), streamInfo());
}

/** A client on a route whose only weighted cluster says `perFilter`. */
function clientOnWeightedCluster(
  perFilter: HttpFilterPerRouteConfig[],
  ofRoute: HttpFilterPerRouteConfig[] = [],
): ScriptedClient {
  const cluster = {
    name: 'c',
    weight: 1,
    headers: noHeaders,
    perFilter,
    hostRewriteLiteral: undefined,
  };
  const action = routeAction({
    cluster: { kind: 'weighted', clusters: [cluster], headerName: undefined },
  });
  const table = new CompiledRouteTable(
    routeConfig([virtualHost({ routes: [routeEntry({ action, perFilter: ofRoute })] })]),
  );
  const headers = request();
  return new ScriptedClient(headers, table.route(headers, streamInfo()), streamInfo());
}

t.test('InertFilter', async (t) => {
  t.test('does nothing, but a route that is guarded by settings of its name refuses', async (t) => {
    const { factory } = factoryFor({ kind: 'inert', typeUrl: 'x' });
    t.equal(factory.createFilter(clientOnRoute([])), null);
    const settings = { kind: 'refuse', typeUrl: 'x', reason: 'not built' } as const;
    const guarded = clientOnRoute([{ name: 'the-filter', disabled: false, settings }]);
    factory.createFilter(guarded)!.decodeHeaders(guarded.requestHeaders, true);
    t.equal(guarded.reply?.status, 503);
    const other = clientOnRoute([
      { name: 'the-filter', disabled: false, settings: { ...settings, reason: 'another one' } },
    ]);
    factory.createFilter(other)!.decodeHeaders(other.requestHeaders, true);
    t.match(other.reply?.body, /another one/, 'each route gives its own reason');
  });
});

t.test('DefaultOffFilter', async (t) => {
  t.test('runs only where the route switches it on', async (t) => {
    const settings = { kind: 'refuse', typeUrl: 'x', reason: 'not built' } as const;
    const factory = createHttpFilterFactory(
      { name: 'the-filter', disabled: true, settings },
      new RouterHarness().context,
    );
    const on = { name: 'the-filter', disabled: false, settings: undefined };
    t.equal(factory.createFilter(clientOnRoute([])), null);
    t.equal(factory.createFilter(clientOnRoute([{ ...on, disabled: true }])), null);
    t.ok(
      factory.createFilter(clientOnRoute([on])),
      'an entry without settings switches it on, too',
    );
    t.ok(factory.createFilter(clientOnWeightedCluster([on])), 'so does the weighted cluster');
    const off = { ...on, disabled: true };
    t.equal(factory.createFilter(clientOnWeightedCluster([off], [on])), null, 'and wins');
  });
});

t.test('GrpcStatsFilter', async (t) => {
  const settings = {
    kind: 'grpc_stats',
    emitFilterState: false,
    enableUpstreamStats: false,
    methods: new Set<string>(),
    replaceDots: false,
  } as const;
  const message = (length: number): Buffer => {
    const buffer = Buffer.alloc(5 + length, 1);
    buffer.writeUInt32BE(length, 1);
    return buffer;
  };

  t.test('exists for gRPC only', async (t) => {
    const { harness, factory } = factoryFor(settings);
    t.equal(factory.createFilter(clientFor(harness, [['content-type', 'text/plain']])), null);
  });

  t.test('counts results and messages of the cluster', async (t) => {
    const { harness, factory } = factoryFor(settings);
    const client = clientFor(harness, [['content-type', 'application/grpc']]);
    const filter = factory.createFilter(client)!;
    client.streamInfo.cluster = sampleCluster('backend');
    filter.decodeData(message(3), true);
    filter.encodeHeaders(response(200), false);
    filter.encodeData(Buffer.concat([message(0), message(9)]), false);
    const trailers = new HeaderMap();
    trailers.push(H.grpcStatus, '14');
    filter.encodeTrailers(trailers);
    filter.onDestroy();
    for (const [name, value] of [
      ['total', 1],
      ['failure', 1],
      ['success', 0],
      ['14', 1],
      ['request_message_count', 1],
      ['response_message_count', 2],
    ] as const) {
      t.equal(harness.clusterStat(`grpc.${name}`), value, name);
    }
  });

  t.test('makes no stat of a status it does not know', async (t) => {
    const { harness, factory } = factoryFor(settings);
    const client = clientFor(harness, [['content-type', 'application/grpc']]);
    const filter = factory.createFilter(client)!;
    client.streamInfo.cluster = sampleCluster('backend');
    filter.encodeHeaders(response(200, [['grpc-status', 'evil.name']]), true);
    filter.onDestroy();
    t.equal(harness.clusterStat('grpc.total'), 0);
  });

  t.test('finds message borders however the bytes are cut', async (t) => {
    const bytes = Buffer.concat([message(3), message(0), message(300)]);
    for (let size = 1; size < 20; size++) {
      const counter = new GrpcFrameCounter();
      let messages = 0;
      for (let at = 0; at < bytes.length; at += size)
        messages += counter.count(bytes.subarray(at, at + size));
      t.equal(messages, 3, `${size} bytes at a time`);
    }
  });
});
