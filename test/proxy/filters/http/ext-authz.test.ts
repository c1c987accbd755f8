// [w] External authorization fails closed: whatever the server, the client or the configuration does. What it asks and
// answers is in test/differential/cases/filters-ext-authz.test.ts.
import t from 'tap';
import type { ExtAuthzConfig } from '../../../../proxy/config/ext-authz-config.ts';
import type { HttpFilterPerRouteSettings } from '../../../../proxy/config/http-filter-config.ts';
import { ExtAuthzFilterFactory } from '../../../../proxy/filters/http/ext-authz.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import { FilterStatus } from '../../../../proxy/http/http-filter.ts';
import { CompiledRouteTable } from '../../../../proxy/router/route-table.ts';
import { extAuthzConfig } from '../../../support/filter-samples.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import {
  linesOf,
  request,
  response,
  routeConfig,
  routeEntry,
  routeMatch,
  streamInfo,
  virtualHost,
} from '../../../support/route-samples.ts';

const NAME = 'envoy.filters.http.ext_authz';

type Lines = readonly (readonly [string, string])[];

/** The cluster `mirror` is the authorization server. */
function setUp(changes: Partial<ExtAuthzConfig> = {}, perRoute?: HttpFilterPerRouteSettings) {
  const harness = new RouterHarness();
  const perFilter =
    perRoute === undefined ? [] : [{ name: NAME, disabled: false, settings: perRoute }];
  const table = new CompiledRouteTable(
    routeConfig([
      virtualHost({
        routes: [
          routeEntry({ perFilter }),
          routeEntry({ match: routeMatch({ path: { kind: 'connect' } }) }),
        ],
      }),
    ]),
  );
  const factory = new ExtAuthzFilterFactory(NAME, extAuthzConfig(changes), harness.context);
  const open = (lines: Lines = []) => {
    const headers = request(lines);
    const client = new ScriptedClient(headers, table.route(headers, streamInfo()), streamInfo());
    return { client, headers, filter: factory.createFilter(client)! };
  };
  /** A request without a body. */
  const send = (lines: Lines = []) => {
    const stream = open(lines);
    return { ...stream, status: stream.filter.decodeHeaders(stream.headers, true) };
  };
  return { harness, open, send, server: harness.mirror };
}

type Stream = ReturnType<ReturnType<typeof setUp>['send']>;

const REFUSED: readonly unknown[] = [403, 'ext_authz_error', 'UAEX', 0];
const outcomeOf = ({ client }: Pick<Stream, 'client'>): readonly unknown[] => [
  client.reply?.status,
  client.reply?.details,
  client.streamInfo.flags,
  client.continued,
];

t.test('ExtAuthzFilter', async (t) => {
  t.test('holds the request until the server says yes', async (t) => {
    const { send, server } = setUp();
    const { client, status } = send();
    t.equal(status, FilterStatus.StopIteration);
    t.same([client.continued, client.reply], [0, null]);
    server.last.respond(response(200));
    t.same([client.continued, client.reply], [1, null]);
  });

  t.test('refuses what the server refuses, with its words', async (t) => {
    const { send, server } = setUp();
    const { client } = send();
    server.last.respond(response(401, [['x-a', '1']]), false);
    server.last.respondData('no', true);
    t.same(client.outcome, [401, 'no', 'UAEX', 'ext_authz_denied']);
    t.ok(linesOf(client.responseHeaders!).includes('x-a: 1'));
    t.equal(client.continued, 0);
  });

  const failures: [what: string, fail: (setup: ReturnType<typeof setUp>) => void][] = [
    ['answers 500', ({ server }) => server.last.respond(response(500))],
    ['answers 101', ({ server }) => server.last.respond(response(101))],
    ['hangs up', ({ server }) => server.last.die(StreamResetReason.ConnectionTermination)],
    [
      'breaks off',
      ({ server }) => {
        server.last.respond(response(200), false);
        server.last.die(StreamResetReason.ConnectionTermination);
      },
    ],
    [
      'talks without end',
      ({ server }) => {
        server.last.respond(response(200), false);
        for (let i = 0; i < 1100; i++) server.last.respondData('x'.repeat(1024));
      },
    ],
    ['takes too long', ({ harness }) => harness.time.advance(204)],
  ];
  for (const [what, fail] of failures) {
    t.test(`refuses when the server ${what}`, async (t) => {
      const setup = setUp();
      const stream = setup.send();
      fail(setup);
      t.same(outcomeOf(stream), REFUSED);
      t.equal(setup.harness.stat('http.test.ext_authz.error'), 1);
      stream.filter.onDestroy();
      t.equal(setup.harness.timers.size, 0);
    });
    t.test(`lets pass when the server ${what}, where asked for`, async (t) => {
      const setup = setUp({ failureModeAllow: true });
      const { client } = setup.send();
      fail(setup);
      t.same([client.continued, client.reply], [1, null]);
    });
  }

  t.test('refuses when there is no server, at once', async (t) => {
    const { send, server } = setUp();
    server.hosts.length = 0;
    const stream = send();
    t.equal(stream.status, FilterStatus.StopIteration);
    t.same(outcomeOf(stream), REFUSED);
  });

  t.test('goes on by itself when there is no server and that is to pass', async (t) => {
    const { send, server } = setUp({ failureModeAllow: true });
    server.hosts.length = 0;
    const { client, status } = send();
    t.equal(status, FilterStatus.Continue);
    t.same([client.continued, client.reply], [0, null]);
  });

  t.test('refuses when the cluster is gone', async (t) => {
    const { send } = setUp({ service: { ...extAuthzConfig().service, cluster: 'gone' } });
    t.same(outcomeOf(send()), REFUSED);
  });

  t.test('refuses a CONNECT, which it cannot ask about', async (t) => {
    const { send, server } = setUp();
    t.same(
      outcomeOf(
        send([
          [':method', 'CONNECT'],
          [':path', ''],
        ]),
      ),
      REFUSED,
    );
    t.equal(server.streams.length, 0);
  });

  t.test('refuses where a route wants a server that is not asked yet', async (t) => {
    const { send } = setUp({}, { kind: 'refuse', typeUrl: 'x', reason: 'gRPC is not built' });
    t.equal(send().client.reply?.status, 503);
  });

  t.test('hears nothing of an answer that comes after the client left', async (t) => {
    const { harness, send, server } = setUp();
    const { client, filter } = send();
    const asked = server.last;
    filter.onDestroy();
    t.ok(asked.reset, 'the question is withdrawn');
    t.same([client.continued, client.reply, harness.timers.size], [0, null, 0]);
  });

  t.test('lets no answer change how the body is read', async (t) => {
    const any = [{ kind: 'prefix', value: '', ignoreCase: false }] as const;
    const { send, server } = setUp({
      service: { ...extAuthzConfig().service, upstreamHeaders: any, upstreamHeadersToAppend: any },
    });
    const { headers } = send([['content-length', '5']]);
    server.last.respond(
      response(200, [
        ['content-length', '0'],
        ['transfer-encoding', 'chunked'],
        ['connection', 'x-a'],
        ['x-a', '1'],
      ]),
    );
    t.same(
      linesOf(headers).filter((line) => !line.startsWith('x-envoy-')),
      ['content-length: 5', 'x-a: 1', 'x-a: 1'],
    );
  });

  t.test('asks about the beginning of a body while the rest waits', async (t) => {
    const { open, server } = setUp({
      body: { maxBytes: 4, allowPartial: true, packAsBytes: false },
    });
    const { client, filter, headers } = open();
    t.equal(filter.decodeHeaders(headers, false), FilterStatus.StopAndBuffer);
    t.equal(filter.decodeData(Buffer.from('ab'), false), FilterStatus.StopAndBuffer);
    client.held.push(Buffer.from('ab'));
    t.equal(server.streams.length, 0);
    t.equal(filter.decodeData(Buffer.from('cdef'), false), FilterStatus.StopIteration);
    t.same(server.last.sent.slice(1), ['abcd end']);
    server.last.respond(response(200));
    t.equal(client.continued, 1);
    t.equal(filter.decodeData(Buffer.from('g'), true), FilterStatus.Continue);
  });

  t.test('leaves a body that is too long to be refused where it is held', async (t) => {
    const { open, server } = setUp({
      body: { maxBytes: 4, allowPartial: false, packAsBytes: false },
    });
    const { filter, headers } = open();
    filter.decodeHeaders(headers, false);
    t.equal(filter.decodeData(Buffer.from('abcde'), true), FilterStatus.StopAndBuffer);
    t.equal(server.streams.length, 0);
  });
});
