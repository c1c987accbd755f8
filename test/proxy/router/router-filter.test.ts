// [w] The router filter: flows and replies (envoy-behaviour §3.3, §5.1).
import t from 'tap';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import { HeaderMap } from '../../../proxy/http/header-map.ts';
import { H } from '../../../proxy/http/headers.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import {
  linesOf,
  response,
  retryPolicy,
  routeEntry,
  routeMatch,
} from '../../support/route-samples.ts';

const RESET = 'upstream connect error or disconnect/reset before headers. ';

t.test('RouterFilter', async (t) => {
  t.test('sends a request and gives the answer back', async (t) => {
    const harness = new RouterHarness();
    const { client, filter } = harness.send([[':path', '/a']]);
    t.same(harness.backend.last.sent, ['GET host /a end']);
    t.same(harness.sentLines(), ['x-envoy-expected-rq-timeout-ms: 15000']);
    harness.time.advance(7);
    harness.backend.last.respond(response(200, [['x-a', 'b']]), false);
    harness.backend.last.respondData('body', true);
    t.same(client.seen, ['200', 'body end']);
    t.same(linesOf(client.responseHeaders!), ['x-a: b', 'x-envoy-upstream-service-time: 7']);
    const info = client.streamInfo;
    t.same(
      [
        info.upstreamCluster,
        info.upstreamHost,
        info.upstreamLocalAddress,
        info.attemptCount,
        info.responseCodeDetails,
      ],
      ['backend', '10.1.0.1:80', '10.0.0.2:50000', 1, 'via_upstream'],
    );
    filter.onDestroy();
    t.notOk(harness.backend.last.reset, 'a finished stream is left alone');
    t.equal(harness.timers.size, 0, 'no timer stays');
    for (const name of ['upstream_rq_200', 'upstream_rq_2xx', 'upstream_rq_completed'])
      t.equal(harness.clusterStat(name), 1, name);
    t.equal(harness.stat('http.test.rq_total'), 1);
    t.equal(harness.backend.last.host.counts.rqSuccess, 1);
  });

  t.test('streams bodies and trailers both ways', async (t) => {
    const harness = new RouterHarness();
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('one'), false);
    filter.decodeData(Buffer.from('two'), false);
    const trailers = new HeaderMap();
    trailers.push(H.grpcStatus, '0');
    filter.decodeTrailers(trailers);
    t.same(harness.backend.last.sent, ['POST host /', 'one', 'two', 'trailers 1 end']);
    harness.backend.last.respond(response(200), false);
    harness.backend.last.respondTrailers(trailers);
    t.same(client.seen, ['200', 'trailers 1 end']);
  });

  t.test('keeps what comes before a connection is there', async (t) => {
    const harness = new RouterHarness({ bufferLimitBytes: 8 });
    harness.backend.connected = false;
    const { client, filter } = harness.send([[':method', 'POST']], false);
    const chunk = Buffer.from('12345');
    filter.decodeData(chunk, false);
    t.equal(client.readDisables, 0);
    chunk.fill('x');
    filter.decodeData(Buffer.from('6789'), false);
    t.equal(client.readDisables, 1, 'over the limit the client has to wait');
    harness.backend.last.ready();
    t.same(harness.backend.last.sent, ['POST host /', '12345', '6789']);
    t.equal(client.readDisables, 0);
    filter.decodeData(Buffer.from('end'), true);
    t.equal(harness.backend.last.sent.at(-1), 'end end');
  });

  t.test('answers 404 without a route', async (t) => {
    const harness = new RouterHarness({ virtualHost: { domains: ['other'] } });
    const { client } = harness.send();
    t.same(client.outcome, [404, '', 'NR', 'route_not_found']);
    t.equal(harness.stat('http.test.no_route'), 1);
  });

  t.test('answers 503 for a route that does not forward', async (t) => {
    const routes = [routeEntry({ action: { kind: 'non_forwarding' } })];
    t.same(new RouterHarness({ virtualHost: { routes } }).send().client.outcome, [
      503,
      '',
      'NC',
      'cluster_not_found',
    ]);
  });

  t.test('answers for a cluster that is not there', async (t) => {
    for (const status of [503, 404, 500] as const) {
      const harness = new RouterHarness({
        action: { cluster: { kind: 'cluster', name: 'none' }, clusterNotFoundStatus: status },
      });
      const { client } = harness.send();
      t.same(client.outcome, [status, '', 'NC', 'cluster_not_found']);
      t.equal(client.streamInfo.attemptCount, 0);
      t.equal(harness.stat('http.test.no_cluster'), 1);
    }
  });

  t.test('answers for a cluster without hosts', async (t) => {
    const harness = new RouterHarness();
    harness.backend.hosts.length = 0;
    const { client } = harness.send();
    t.same(client.outcome, [503, 'no healthy upstream', 'UH', 'no_healthy_upstream']);
    t.same([client.streamInfo.attemptCount, harness.clusterStat('upstream_rq_503')], [1, 1]);
  });

  t.test('gives direct responses and redirects', async (t) => {
    const direct = routeEntry({ action: { kind: 'direct_response', status: 201, body: 'made' } });
    const redirect = routeEntry({
      match: routeMatch({ path: { kind: 'prefix', value: '/r' } }),
      action: {
        kind: 'redirect',
        scheme: undefined,
        httpsRedirect: true,
        host: undefined,
        port: undefined,
        path: undefined,
        prefixRewrite: undefined,
        regexRewrite: undefined,
        stripQuery: false,
        status: 308,
      },
    });
    const harness = new RouterHarness({ virtualHost: { routes: [redirect, direct] } });
    const made = harness.send([[':path', '/d']]).client;
    t.same(made.outcome, [201, 'made', '-', 'direct_response']);
    t.equal(made.responseHeaders!.get(H.location), 'http://host/d');
    const moved = harness.send([[':path', '/r?q']]).client;
    t.same(moved.outcome, [308, '', '-', 'direct_response']);
    t.same(linesOf(moved.responseHeaders!), ['location: https://host/r?q']);
    t.equal(harness.stat('http.test.rq_direct_response'), 2);
  });

  t.test('drops what EDS says', async (t) => {
    const harness = new RouterHarness();
    harness.backend.dropShare = 1 - 2 ** -33;
    const { client } = harness.send();
    t.same(client.outcome, [503, 'drop overload', 'DO', 'drop_overload']);
    t.equal(client.responseHeaders!.size, 3);
  });

  t.test('answers resets to the byte', async (t) => {
    const cases: [StreamResetReason, number, string, string][] = [
      [StreamResetReason.ConnectionTermination, 503, 'UC', 'connection_termination'],
      [StreamResetReason.RemoteReset, 503, 'UR', 'remote_reset'],
      [StreamResetReason.RemoteRefusedStreamReset, 503, 'UR', 'remote_refused_stream_reset'],
      [StreamResetReason.LocalReset, 503, 'LR', 'local_reset'],
      [StreamResetReason.ProtocolError, 502, 'UPE', 'protocol_error'],
    ];
    for (const [reason, status, flag, tail] of cases) {
      const harness = new RouterHarness();
      const { client } = harness.send();
      harness.backend.last.die(reason);
      t.same(client.outcome, [
        status,
        `${RESET}reset reason: ${reason}`,
        flag,
        `upstream_reset_before_response_started{${tail}}`,
      ]);
      t.equal(harness.backend.last.host.counts.rqError, 1);
    }
  });

  t.test('answers pool failures to the byte', async (t) => {
    const fail = (
      reason: 'remote connection failure' | 'connection timeout' | 'overflow',
      transport: string,
    ) => {
      const harness = new RouterHarness();
      harness.backend.connected = false;
      const { client } = harness.send();
      harness.backend.last.fail(reason, transport);
      return client;
    };
    const refused = fail('remote connection failure', 'delayed_connect_error: Connection refused');
    t.same(refused.outcome, [
      503,
      `${RESET}reset reason: remote connection failure`,
      'UF',
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    ]);
    t.equal(
      refused.streamInfo.upstreamTransportFailureReason,
      'delayed_connect_error:_Connection_refused',
    );
    const late = fail('connection timeout', '');
    t.same(late.outcome.slice(2), [
      'UF',
      'upstream_reset_before_response_started{connection_timeout}',
    ]);
    const full = fail('overflow', '');
    t.same(full.outcome, [
      503,
      `${RESET}reset reason: overflow`,
      'UO',
      'upstream_reset_before_response_started{overflow}',
    ]);
    t.equal(full.responseHeaders!.get(H.xEnvoyOverloaded), 'true');
  });

  t.test('cuts an answer that cannot be finished', async (t) => {
    const harness = new RouterHarness();
    const { client } = harness.send();
    harness.backend.last.respond(response(200), false);
    harness.backend.last.die(StreamResetReason.ProtocolError);
    t.same(client.seen, ['200', 'reset']);
    t.same(client.outcome, [0, '', 'UPE', 'upstream_reset_after_response_started{protocol_error}']);
    t.equal(harness.timers.size, 0);
  });

  t.test('gives up its attempt when the client leaves', async (t) => {
    const waiting = new RouterHarness();
    waiting.backend.connected = false;
    waiting.send().filter.onDestroy();
    t.ok(waiting.backend.last.cancelled);
    const open = new RouterHarness();
    open.send().filter.onDestroy();
    t.ok(open.backend.last.reset);
    t.same([waiting.timers.size, open.timers.size], [0, 0]);
  });

  t.test('ends the upstream request when the answer came first', async (t) => {
    const harness = new RouterHarness();
    const { client, filter } = harness.send([[':method', 'POST']], false);
    harness.backend.last.respond(response(413));
    t.same(client.seen, ['413 end']);
    t.ok(harness.backend.last.reset);
    filter.decodeData(Buffer.from('late'), true);
    t.same(harness.backend.last.sent, ['POST host /']);
    t.notOk(
      client.responseHeaders!.has(H.xEnvoyUpstreamServiceTime),
      'the request was not complete',
    );
  });

  t.test('passes the first 1xx', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const { client } = harness.send();
    harness.backend.last.respond1xx(response(103));
    harness.backend.last.respond1xx(response(103));
    harness.backend.last.respond(response(503));
    t.same(client.seen, ['103', '503 end'], 'nothing is retried any more');
  });

  t.test('hashes for balancers that ask, and sets the cookie it made', async (t) => {
    const policy = { kind: 'cookie', name: 'ck', ttlMs: 0, path: '', terminal: false } as const;
    const harness = new RouterHarness({ action: { hashPolicy: [policy] } });
    const { client } = harness.send();
    harness.backend.last.respond(response(200));
    t.match(client.responseHeaders!.get(H.setCookie), /^ck="[0-9a-f]+"; HttpOnly$/);
  });

  t.test('rewrites the host to the one chosen', async (t) => {
    const harness = new RouterHarness({ action: { autoHostRewrite: true } });
    harness.send();
    t.equal(harness.backend.last.headers!.authority, '10.1.0.1.name');
    t.equal(harness.backend.last.headers!.get(H.xEnvoyOriginalHost), 'host');
  });

  t.test('checks headers strictly where told', async (t) => {
    const harness = new RouterHarness({
      router: { strictCheckHeaders: ['x-envoy-max-retries', 'x-envoy-retry-on'] },
    });
    const { client } = harness.send([
      ['x-envoy-retry-on', '5xx'],
      ['x-envoy-max-retries', 'many'],
    ]);
    t.same(client.outcome, [
      400,
      "invalid header 'x-envoy-max-retries' with value 'many'",
      'IH',
      'request_headers_failed_strict_check{x-envoy-max-retries}',
    ]);
    t.equal(harness.send([['x-envoy-retry-on', '5xx, nonsense']]).client.reply?.status, 400);
    t.equal(harness.send([['x-envoy-retry-on', '5xx,reset']]).client.reply, null);
  });

  t.test('counts attempts in headers where told', async (t) => {
    const harness = new RouterHarness({
      action: { retryPolicy: retryPolicy(['5xx']) },
      virtualHost: { includeRequestAttemptCount: true, includeAttemptCountInResponse: true },
    });
    const { client } = harness.send([['x-envoy-attempt-count', '9']]);
    t.equal(harness.backend.last.headers!.get(H.xEnvoyAttemptCount), '1');
    harness.backend.last.respond(response(500));
    harness.time.advance(50);
    t.equal(harness.backend.last.headers!.get(H.xEnvoyAttemptCount), '2');
    harness.backend.last.respond(response(200));
    t.equal(client.responseHeaders!.get(H.xEnvoyAttemptCount), '2');
  });
});
