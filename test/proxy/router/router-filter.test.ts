// [w] The router filter: flows, replies, time-outs, retries, back-pressure (envoy-behaviour §3.8, §4, §5.1).
import t from 'tap';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import { HeaderMap } from '../../../proxy/http/header-map.ts';
import { H } from '../../../proxy/http/headers.ts';
import { ScriptedClient, RouterHarness } from '../../support/router-harness.ts';
import { linesOf, response, retryPolicy, routeEntry, routeMatch } from '../../support/route-samples.ts';

const RESET = 'upstream connect error or disconnect/reset before headers. ';

/** Status, body, flags and details as the access log and the client see them. */
function outcome(client: ScriptedClient): [number, string, string, string] {
  const { reply, streamInfo: info } = client;
  return [reply?.status ?? 0, reply?.body ?? '', info.flags, info.responseCodeDetails];
}

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
      [info.upstreamCluster, info.upstreamHost, info.upstreamLocalAddress, info.attemptCount, info.responseCodeDetails],
      ['backend', '10.1.0.1:80', '10.0.0.2:50000', 1, 'via_upstream'],
    );
    filter.onDestroy();
    t.notOk(harness.backend.last.reset, 'a finished stream is left alone');
    t.equal(harness.timers.size, 0, 'no timer stays');
    for (const name of ['upstream_rq_200', 'upstream_rq_2xx', 'upstream_rq_completed']) t.equal(harness.clusterStat(name), 1, name);
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
    t.same(outcome(client), [404, '', 'NR', 'route_not_found']);
    t.equal(harness.stat('http.test.no_route'), 1);
  });

  t.test('answers 404 for a route that does not forward', async (t) => {
    const routes = [routeEntry({ action: { kind: 'non_forwarding' } })];
    t.same(outcome(new RouterHarness({ virtualHost: { routes } }).send().client), [404, '', 'NR', 'route_not_found']);
  });

  t.test('answers for a cluster that is not there', async (t) => {
    for (const status of [503, 404, 500] as const) {
      const harness = new RouterHarness({ action: { cluster: { kind: 'cluster', name: 'none' }, clusterNotFoundStatus: status } });
      const { client } = harness.send();
      t.same(outcome(client), [status, '', 'NC', 'cluster_not_found']);
      t.equal(client.streamInfo.attemptCount, 0);
      t.equal(harness.stat('http.test.no_cluster'), 1);
    }
  });

  t.test('answers for a cluster without hosts', async (t) => {
    const harness = new RouterHarness();
    harness.backend.hosts.length = 0;
    const { client } = harness.send();
    t.same(outcome(client), [503, 'no healthy upstream', 'UH', 'no_healthy_upstream']);
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
    t.same(outcome(made), [201, 'made', '-', 'direct_response']);
    t.equal(made.responseHeaders!.get(H.location), 'http://host/d');
    const moved = harness.send([[':path', '/r?q']]).client;
    t.same(outcome(moved), [308, '', '-', 'direct_response']);
    t.same(linesOf(moved.responseHeaders!), ['location: https://host/r?q']);
    t.equal(harness.stat('http.test.rq_direct_response'), 2);
  });

  t.test('drops what EDS says', async (t) => {
    const harness = new RouterHarness();
    harness.backend.dropAll = true;
    const { client } = harness.send();
    t.same(outcome(client), [503, 'drop overload', 'DO', 'drop_overload']);
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
      t.same(outcome(client), [status, `${RESET}reset reason: ${reason}`, flag, `upstream_reset_before_response_started{${tail}}`]);
      t.equal(harness.backend.last.host.counts.rqError, 1);
    }
  });

  t.test('answers pool failures to the byte', async (t) => {
    const fail = (reason: 'remote connection failure' | 'connection timeout' | 'overflow', transport: string) => {
      const harness = new RouterHarness();
      harness.backend.connected = false;
      const { client } = harness.send();
      harness.backend.last.fail(reason, transport);
      return client;
    };
    const refused = fail('remote connection failure', 'delayed_connect_error: Connection refused');
    t.same(outcome(refused), [
      503,
      `${RESET}reset reason: remote connection failure`,
      'UF',
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
    ]);
    t.equal(refused.streamInfo.upstreamTransportFailureReason, 'delayed_connect_error:_Connection_refused');
    const late = fail('connection timeout', '');
    t.same(outcome(late).slice(2), ['UF', 'upstream_reset_before_response_started{connection_timeout}']);
    const full = fail('overflow', '');
    t.same(outcome(full), [503, `${RESET}reset reason: overflow`, 'UO', 'upstream_reset_before_response_started{overflow}']);
    t.equal(full.responseHeaders!.get(H.xEnvoyOverloaded), 'true');
  });

  t.test('cuts an answer that cannot be finished', async (t) => {
    const harness = new RouterHarness();
    const { client } = harness.send();
    harness.backend.last.respond(response(200), false);
    harness.backend.last.die(StreamResetReason.ProtocolError);
    t.same(client.seen, ['200', 'reset']);
    t.same(outcome(client), [0, '', 'UPE', 'upstream_reset_after_response_started{protocol_error}']);
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
    t.notOk(client.responseHeaders!.has(H.xEnvoyUpstreamServiceTime), 'the request was not complete');
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
    const harness = new RouterHarness({ router: { strictCheckHeaders: ['x-envoy-max-retries', 'x-envoy-retry-on'] } });
    const { client } = harness.send([['x-envoy-retry-on', '5xx'], ['x-envoy-max-retries', 'many']]);
    t.same(outcome(client), [
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

t.test('RouterFilter time-outs', async (t) => {
  t.test('end a request that takes too long', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client } = harness.send();
    harness.time.advance(999);
    t.equal(client.reply, null);
    harness.time.advance(8);
    t.same(outcome(client), [504, 'upstream request timeout', 'UT', 'response_timeout']);
    t.ok(harness.backend.last.reset);
    t.same([harness.clusterStat('upstream_rq_timeout'), harness.clusterStat('upstream_rq_504')], [1, 1]);
    t.equal(harness.backend.last.host.counts.rqTimeout, 1);
  });

  t.test('start when the request is complete', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    harness.time.advance(5000);
    t.equal(client.reply, null);
    filter.decodeData(Buffer.from('x'), true);
    harness.time.advance(1008);
    t.equal(client.reply?.status, 504);
  });

  t.test('cut an answer that has begun', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client } = harness.send();
    harness.backend.last.respond(response(200), false);
    harness.time.advance(1008);
    t.same(client.seen, ['200', 'reset']);
    t.same(outcome(client), [0, '', 'UT', 'response_timeout']);
  });

  t.test('do not exist for 0', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 0 } });
    const { client } = harness.send();
    t.same(harness.sentLines(), []);
    harness.time.advance(3_600_000);
    t.equal(client.reply, null);
  });

  t.test('answer 204 where the client asked for it', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client } = harness.send([['x-envoy-upstream-rq-timeout-alt-response', '1']]);
    harness.time.advance(1008);
    t.same(outcome(client), [204, '', 'UT', 'response_timeout']);
    t.notOk(harness.backend.last.headers!.has(H.xEnvoyUpstreamRqTimeoutAltResponse));
  });

  t.test('come from headers', async (t) => {
    const cases: [[string, string][], string | undefined][] = [
      [[['x-envoy-upstream-rq-timeout-ms', '300']], '300'],
      [[['x-envoy-upstream-rq-timeout-ms', 'x']], '15000'],
      [[['x-envoy-upstream-rq-timeout-ms', '0']], undefined],
      [[['x-envoy-upstream-rq-per-try-timeout-ms', '200']], '200'],
      [[['x-envoy-upstream-rq-per-try-timeout-ms', '20000']], '15000'],
      [[['x-envoy-upstream-rq-timeout-ms', '0'], ['x-envoy-upstream-rq-per-try-timeout-ms', '200']], '200'],
    ];
    for (const [lines, expected] of cases) {
      const harness = new RouterHarness();
      harness.send(lines);
      const headers = harness.backend.last.headers!;
      t.equal(headers.get(H.xEnvoyExpectedRqTimeoutMs), expected, JSON.stringify(lines));
      t.notOk(headers.has(H.xEnvoyUpstreamRqTimeoutMs) || headers.has(H.xEnvoyUpstreamRqPerTryTimeoutMs));
    }
    const quiet = new RouterHarness({ router: { suppressEnvoyHeaders: true } });
    quiet.send();
    t.same(quiet.sentLines(), []);
    const respectful = new RouterHarness({ router: { respectExpectedRqTimeout: true } });
    const { client } = respectful.send([['x-envoy-expected-rq-timeout-ms', '100']]);
    respectful.time.advance(108);
    t.equal(client.reply?.status, 504);
  });

  t.test('of gRPC come from grpc-timeout', async (t) => {
    const grpc: [string, string] = ['content-type', 'application/grpc'];
    const sent = (timeout: string, maxGrpcTimeoutMs: number, grpcTimeoutOffsetMs = 0): string[] => {
      const harness = new RouterHarness({ action: { maxGrpcTimeoutMs, grpcTimeoutOffsetMs } });
      harness.send(timeout === '' ? [grpc] : [grpc, ['grpc-timeout', timeout]]);
      return harness.sentLines().slice(1);
    };
    t.same(sent('5S', 0), ['grpc-timeout: 5000m', 'x-envoy-expected-rq-timeout-ms: 5000']);
    t.same(sent('5S', 2000), ['grpc-timeout: 2000m', 'x-envoy-expected-rq-timeout-ms: 2000']);
    t.same(sent('5S', 0, 100), ['grpc-timeout: 4900m', 'x-envoy-expected-rq-timeout-ms: 4900']);
    t.same(sent('', 0), []);
    t.same(sent('1u', 0), ['grpc-timeout: 1m', 'x-envoy-expected-rq-timeout-ms: 1']);
    t.same(sent('999999999S', 0), ['grpc-timeout: 999999999S']);
  });

  t.test('of one attempt end in a retry, then in 504', async (t) => {
    const policy = retryPolicy(['5xx'], { perTryTimeoutMs: 100 });
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    const { client } = harness.send();
    harness.time.advance(104);
    t.ok(harness.backend.last.reset);
    harness.time.advance(40);
    t.equal(harness.backend.streams.length, 2);
    t.equal(client.reply, null);
    harness.time.advance(104);
    t.same(outcome(client), [504, 'upstream request timeout', 'URX,UT', 'upstream_per_try_timeout']);
    t.equal(harness.clusterStat('upstream_rq_per_try_timeout'), 2);
  });

  t.test('of one attempt stop counting when the answer begins', async (t) => {
    const policy = retryPolicy([], { perTryTimeoutMs: 100 });
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    const { client } = harness.send();
    harness.backend.last.respond(response(200), false);
    harness.time.advance(1000);
    harness.backend.last.respondData('x', true);
    t.same(client.seen, ['200', 'x end']);
  });

  t.test('of idle attempts', async (t) => {
    const policy = retryPolicy(['gateway-error'], { perTryIdleTimeoutMs: 100, numRetries: 0 });
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    const before = harness.send().client;
    harness.time.advance(108);
    t.same(outcome(before).slice(0, 1).concat(outcome(before).slice(2)), [504, 'URX,UT', 'upstream_per_try_idle_timeout']);
    const after = harness.send().client;
    harness.time.advance(80);
    harness.backend.last.respond(response(200), false);
    harness.time.advance(80);
    t.same(after.seen, ['200']);
    harness.time.advance(40);
    t.same(after.seen, ['200', 'reset']);
  });
});

t.test('RouterFilter retries', async (t) => {
  t.test('replays the body to another host', async (t) => {
    const policy = retryPolicy(['5xx'], { avoidPreviousHosts: true });
    const harness = new RouterHarness({ action: { retryPolicy: policy } });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('one'), false);
    harness.backend.last.respond(response(503));
    t.ok(harness.backend.last.reset, 'the request was not complete');
    filter.decodeData(Buffer.from('two'), true);
    t.equal(harness.backend.resources().retries.count, 1);
    harness.time.advance(50);
    t.same(harness.backend.last.sent, ['POST host /', 'one', 'two end']);
    t.not(harness.backend.last.host, harness.backend.streams[0]!.host);
    harness.backend.last.respond(response(200));
    t.same(client.seen, ['200 end']);
    t.same([client.streamInfo.attemptCount, harness.backend.resources().retries.count], [2, 0]);
    for (const name of ['upstream_rq_retry', 'upstream_rq_retry_success', 'retry.upstream_rq_503', 'upstream_rq_200']) {
      t.equal(harness.clusterStat(name), 1, name);
    }
    t.equal(harness.clusterStat('upstream_rq_503'), 0);
  });

  t.test('ends with the last answer, or the last reset', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const answered = harness.send().client;
    harness.backend.last.respond(response(500));
    harness.time.advance(50);
    harness.backend.last.respond(response(502));
    t.same(answered.seen, ['502 end']);
    t.equal(answered.streamInfo.flags, 'URX');
    harness.backend.connected = false;
    const reset = harness.send().client;
    harness.backend.last.fail('remote connection failure');
    harness.time.advance(50);
    harness.backend.last.fail('remote connection failure');
    t.same(outcome(reset).slice(1, 3), [`${RESET}retried and the latest reset reason: remote connection failure`, 'URX,UF']);
    t.equal(harness.clusterStat('upstream_rq_retry_limit_exceeded'), 2);
    t.equal(harness.backend.resources().retries.count, 0);
  });

  t.test('respects the breaker of concurrent retries', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const retries = harness.backend.resources().retries;
    for (let i = 0; i < 3; i++) retries.inc();
    const { client } = harness.send();
    harness.backend.last.respond(response(503));
    t.same([client.seen, client.streamInfo.flags], [['503 end'], 'UO']);
    t.equal(harness.clusterStat('upstream_rq_retry_overflow'), 1);
  });

  t.test('is given up when the body is too large to keep', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) }, bufferLimitBytes: 4 });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('12345'), false);
    filter.decodeData(Buffer.from('6'), true);
    t.same(harness.backend.last.sent, ['POST host /', '12345', '6 end'], 'the request goes on');
    harness.backend.last.respond(response(503));
    t.same(client.seen, ['503 end']);
    t.equal(harness.clusterStat('retry_or_shadow_abandoned'), 1);
  });

  t.test('answers 507 when the body grows too large between attempts', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) }, bufferLimitBytes: 4 });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    harness.backend.last.respond(response(503));
    filter.decodeData(Buffer.from('12345'), false);
    t.same(outcome(client).slice(0, 2), [507, 'exceeded request buffer limit while retrying upstream']);
    t.equal(client.streamInfo.responseCodeDetails, 'request_payload_exceeded_retry_buffer_limit');
    harness.time.advance(1000);
    t.equal(harness.backend.streams.length, 1);
    t.equal(harness.backend.resources().retries.count, 0);
  });

  t.test('stops when the client leaves', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const { filter } = harness.send();
    harness.backend.last.respond(response(503));
    filter.onDestroy();
    harness.time.advance(1000);
    t.same([harness.backend.streams.length, harness.backend.resources().retries.count, harness.timers.size], [1, 0, 0]);
  });

  t.test('stops when no host is left', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const { client } = harness.send();
    harness.backend.last.respond(response(503));
    harness.backend.hosts.length = 0;
    harness.time.advance(50);
    t.same(outcome(client).slice(0, 3), [503, 'no healthy upstream', 'UH']);
  });

  t.test('counts against the whole time-out', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000, retryPolicy: retryPolicy(['5xx']) } });
    const { client } = harness.send();
    harness.time.advance(900);
    harness.backend.last.respond(response(503));
    harness.time.advance(50);
    const left = Number(harness.backend.last.headers!.get(H.xEnvoyExpectedRqTimeoutMs));
    t.ok(left >= 50 && left <= 100, `${left} ms are left`);
    harness.time.advance(60);
    t.equal(client.reply?.status, 504);
  });
});

t.test('RouterFilter back-pressure', async (t) => {
  t.test('lets the client wait for a slow upstream', async (t) => {
    const harness = new RouterHarness();
    const { client, filter } = harness.send([[':method', 'POST']], false);
    const callbacks = harness.backend.last.callbacks!;
    callbacks.onAboveWriteBufferHighWatermark();
    t.equal(client.readDisables, 1);
    callbacks.onBelowWriteBufferLowWatermark();
    t.equal(client.readDisables, 0);
    callbacks.onAboveWriteBufferHighWatermark();
    harness.backend.last.respond(response(200));
    t.equal(client.readDisables, 0, 'what was stopped is let go when the attempt is over');
    filter.onDestroy();
    t.equal(client.readDisables, 0);
  });

  t.test('lets the upstream wait for a slow client', async (t) => {
    const harness = new RouterHarness();
    const { client } = harness.send();
    harness.backend.last.respond(response(200), false);
    client.watermarks!.onAboveWriteBufferHighWatermark();
    t.equal(harness.backend.last.readDisables, 1);
    client.watermarks!.onBelowWriteBufferLowWatermark();
    t.equal(harness.backend.last.readDisables, 0);
    harness.backend.last.respondData('x', true);
    client.watermarks!.onAboveWriteBufferHighWatermark();
    t.equal(harness.backend.last.readDisables, 0, 'a finished stream is left alone');
  });
});

t.test('RouterFilter upgrades', async (t) => {
  const upgrade: [string, string][] = [['upgrade', 'websocket'], ['connection', 'Upgrade']];

  t.test('open a tunnel after 101 and hold bytes until then', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client, filter } = harness.send(upgrade, false);
    filter.decodeData(Buffer.from('early'), false);
    t.same(harness.backend.last.sent, ['GET host /']);
    harness.backend.last.respond(response(101), false);
    t.ok(harness.backend.last.tunnel);
    t.same(harness.backend.last.sent, ['GET host /', 'early']);
    harness.time.advance(60_000);
    filter.decodeData(Buffer.from('ping'), false);
    harness.backend.last.respondData('pong');
    t.same(harness.backend.last.sent.at(-1), 'ping');
    t.same(client.seen, ['101', 'pong']);
    t.notOk(client.responseHeaders!.has(H.xEnvoyUpstreamServiceTime));
    harness.backend.last.respondData('', true);
    t.same(client.seen.at(-1), ' end');
    t.ok(harness.backend.last.reset);
  });

  t.test('pass errors on and send nothing of what came early', async (t) => {
    const harness = new RouterHarness();
    const { client, filter } = harness.send(upgrade, false);
    filter.decodeData(Buffer.from('GET /smuggled'), false);
    harness.backend.last.respond(response(403), false);
    filter.decodeData(Buffer.from('more'), false);
    harness.backend.last.respondData('no', true);
    t.same(client.seen, ['403', 'no end']);
    t.same(harness.backend.last.sent, ['GET host /']);
  });

  t.test('answer themselves when the upstream says something else', async (t) => {
    const harness = new RouterHarness();
    const { client } = harness.send(upgrade, false);
    harness.backend.last.respond(response(302, [['location', '/x'], ['content-length', '3']]), false);
    t.same(outcome(client), [302, '', '-', 'websocket_handshake_unsuccessful']);
    t.same(linesOf(client.responseHeaders!), ['location: /x']);
    t.ok(harness.backend.last.reset);
  });

  t.test('are bound by time-outs until the handshake is over', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client } = harness.send(upgrade, false);
    harness.time.advance(1008);
    t.equal(client.reply?.status, 504);
  });
});

t.test('ShadowRequest', async (t) => {
  t.test('mirrors a request and forgets the answer', async (t) => {
    const mirrors = [{ cluster: 'mirror', fraction: undefined, disableShadowHostSuffixAppend: false }];
    const harness = new RouterHarness({ action: { mirrors } });
    harness.mirror.connected = false;
    const { client, filter } = harness.send([[':method', 'POST'], [':authority', 'foo:80']], false);
    filter.decodeData(Buffer.from('one'), false);
    harness.mirror.last.ready();
    filter.decodeData(Buffer.from('two'), true);
    t.same(harness.mirror.last.sent, ['POST foo-shadow:80 /', 'one', 'two end']);
    t.equal(harness.mirror.last.headers!.get(H.xEnvoyInternal), 'true');
    t.equal(harness.mirror.last.headers!.get(H.xForwardedFor), '10.0.0.2');
    harness.mirror.last.respond(response(500));
    harness.backend.last.respond(response(200));
    t.same(client.seen, ['200 end']);
    filter.onDestroy();
    t.equal(harness.timers.size, 0);
  });

  t.test('is left out by fraction and where its cluster is missing', async (t) => {
    const never = { numerator: 0, denominator: 100 } as const;
    const mirrors = [
      { cluster: 'mirror', fraction: never, disableShadowHostSuffixAppend: false },
      { cluster: 'none', fraction: undefined, disableShadowHostSuffixAppend: false },
    ];
    const harness = new RouterHarness({ action: { mirrors } });
    harness.send();
    t.equal(harness.mirror.streams.length, 0);
  });
});
