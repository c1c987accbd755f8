// [w] The router filter: time-outs and retries (envoy-behaviour §3.8, §4).
import t from 'tap';
import { H } from '../../../proxy/http/headers.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import { response, retryPolicy } from '../../support/route-samples.ts';

const RESET = 'upstream connect error or disconnect/reset before headers. ';

t.test('RouterFilter time-outs', async (t) => {
  t.test('end a request that takes too long', async (t) => {
    const harness = new RouterHarness({ action: { timeoutMs: 1000 } });
    const { client } = harness.send();
    harness.time.advance(999);
    t.equal(client.reply, null);
    harness.time.advance(8);
    t.same(client.outcome, [504, 'upstream request timeout', 'UT', 'response_timeout']);
    t.ok(harness.backend.last.reset);
    t.same(
      [harness.clusterStat('upstream_rq_timeout'), harness.clusterStat('upstream_rq_504')],
      [1, 1],
    );
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
    t.same(client.outcome, [0, '', 'UT', 'response_timeout']);
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
    t.same(client.outcome, [204, '', 'UT', 'response_timeout']);
    t.notOk(harness.backend.last.headers!.has(H.xEnvoyUpstreamRqTimeoutAltResponse));
  });

  t.test('come from headers', async (t) => {
    const cases: [[string, string][], string | undefined][] = [
      [[['x-envoy-upstream-rq-timeout-ms', '300']], '300'],
      [[['x-envoy-upstream-rq-timeout-ms', 'x']], '15000'],
      [[['x-envoy-upstream-rq-timeout-ms', '0']], undefined],
      [[['x-envoy-upstream-rq-per-try-timeout-ms', '200']], '200'],
      [[['x-envoy-upstream-rq-per-try-timeout-ms', '20000']], '15000'],
      [
        [
          ['x-envoy-upstream-rq-timeout-ms', '0'],
          ['x-envoy-upstream-rq-per-try-timeout-ms', '200'],
        ],
        '200',
      ],
    ];
    for (const [lines, expected] of cases) {
      const harness = new RouterHarness();
      harness.send(lines);
      const headers = harness.backend.last.headers!;
      t.equal(headers.get(H.xEnvoyExpectedRqTimeoutMs), expected, JSON.stringify(lines));
      t.notOk(
        headers.has(H.xEnvoyUpstreamRqTimeoutMs) || headers.has(H.xEnvoyUpstreamRqPerTryTimeoutMs),
      );
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
    t.same(client.outcome, [504, 'upstream request timeout', 'URX,UT', 'upstream_per_try_timeout']);
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
    t.same(before.outcome.slice(0, 1).concat(before.outcome.slice(2)), [
      504,
      'URX,UT',
      'upstream_per_try_idle_timeout',
    ]);
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
    const policy = retryPolicy(['5xx'], { hostPredicates: [{ kind: 'previous_hosts' }] });
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
    for (const name of [
      'upstream_rq_retry',
      'upstream_rq_retry_success',
      'retry.upstream_rq_503',
      'upstream_rq_200',
    ]) {
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
    t.same(reset.outcome.slice(1, 3), [
      `${RESET}retried and the latest reset reason: remote connection failure`,
      'URX,UF',
    ]);
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
    const harness = new RouterHarness({
      action: { retryPolicy: retryPolicy(['5xx']) },
      bufferLimitBytes: 4,
    });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('12345'), false);
    filter.decodeData(Buffer.from('6'), true);
    t.same(harness.backend.last.sent, ['POST host /', '12345', '6 end'], 'the request goes on');
    harness.backend.last.respond(response(503));
    t.same(client.seen, ['503 end']);
    t.equal(harness.clusterStat('retry_or_shadow_abandoned'), 1);
  });

  t.test('answers 507 when the body grows too large between attempts', async (t) => {
    const harness = new RouterHarness({
      action: { retryPolicy: retryPolicy(['5xx']) },
      bufferLimitBytes: 4,
    });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    harness.backend.last.respond(response(503));
    filter.decodeData(Buffer.from('12345'), false);
    t.same(client.outcome.slice(0, 2), [
      507,
      'exceeded request buffer limit while retrying upstream',
    ]);
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
    t.same(
      [
        harness.backend.streams.length,
        harness.backend.resources().retries.count,
        harness.timers.size,
      ],
      [1, 0, 0],
    );
  });

  t.test('stops when no host is left', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    const { client } = harness.send();
    harness.backend.last.respond(response(503));
    harness.backend.hosts.length = 0;
    harness.time.advance(50);
    t.same(client.outcome.slice(0, 3), [503, 'no healthy upstream', 'UH']);
  });

  t.test('counts against the whole time-out', async (t) => {
    const harness = new RouterHarness({
      action: { timeoutMs: 1000, retryPolicy: retryPolicy(['5xx']) },
    });
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
