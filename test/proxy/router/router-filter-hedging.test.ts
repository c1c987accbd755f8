// [w] The router filter: several attempts at once, redirects that are followed, the replay guard (envoy-behaviour §3.9, §4.8).
import t from 'tap';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import { H } from '../../../proxy/http/headers.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import { response, retryPolicy } from '../../support/route-samples.ts';

const hedging = (changes = {}): RouterHarness =>
  new RouterHarness({
    action: {
      hedgeOnPerTryTimeout: true,
      retryPolicy: retryPolicy(['5xx'], { perTryTimeoutMs: 100, numRetries: 2, ...changes }),
    },
  });

t.test('Hedging', async (t) => {
  t.test('lets the first attempt live, and takes the first good answer', async (t) => {
    const harness = hedging();
    const { client } = harness.send();
    harness.time.advance(140);
    t.equal(harness.backend.streams.length, 2);
    const [first, second] = harness.backend.streams;
    t.notOk(first!.reset);
    t.equal(second!.headers!.get(H.xEnvoyExpectedRqTimeoutMs)?.length, 5, 'the whole time is left');
    first!.respond(response(200));
    t.same(client.seen, ['200 end']);
    t.ok(second!.reset);
    t.equal(client.streamInfo.host, first!.host);
    t.same([harness.timers.size, harness.backend.resources().retries.count], [0, 0]);
  });

  t.test('passes over a bad answer while others may do better', async (t) => {
    const harness = hedging();
    const { client } = harness.send();
    harness.time.advance(140);
    const [first, second] = harness.backend.streams;
    first!.respond(response(503));
    t.same(client.seen, []);
    first!.respond(response(200));
    t.same(client.seen, [], 'it is forgotten');
    second!.respond(response(200));
    t.same(client.seen, ['200 end']);
  });

  t.test('passes over a broken attempt while another waits its turn', async (t) => {
    const harness = hedging({ numRetries: 1, baseIntervalMs: 1000, maxIntervalMs: 1000 });
    const { client } = harness.send();
    harness.time.advance(104);
    t.equal(harness.backend.streams.length, 1, 'in its back-off');
    harness.backend.last.die(StreamResetReason.ConnectionTermination);
    t.same(client.seen, []);
    harness.time.advance(1004);
    t.equal(harness.backend.streams.length, 2);
    harness.backend.last.respond(response(200));
    t.same(client.seen, ['200 end']);
  });

  t.test('gives the last failure when all have failed', async (t) => {
    const harness = hedging({ numRetries: 1 });
    const { client } = harness.send();
    harness.time.advance(140);
    const [first, second] = harness.backend.streams;
    second!.respond(response(502));
    t.same(client.seen, []);
    first!.respond(response(503));
    t.same(client.seen, ['503 end']);
    t.equal(client.streamInfo.flags, 'URX');
  });

  t.test('ends all attempts with the whole time-out', async (t) => {
    const harness = new RouterHarness({
      action: {
        timeoutMs: 300,
        hedgeOnPerTryTimeout: true,
        retryPolicy: retryPolicy(['5xx'], { perTryTimeoutMs: 100, numRetries: 1 }),
      },
    });
    const { client } = harness.send();
    harness.time.advance(310);
    t.equal(client.reply?.status, 504);
    t.ok(harness.backend.streams.every((stream) => stream.reset));
    t.equal(harness.clusterStat('upstream_rq_timeout'), 2);
    t.equal(harness.clusterStat('upstream_rq_504'), 2);
    t.equal(harness.clusterStat('upstream_rq_per_try_timeout'), 0);
    t.equal(harness.timers.size, 0);
  });

  t.test('ends with the client', async (t) => {
    const harness = hedging();
    const { filter } = harness.send();
    harness.time.advance(140);
    filter.onDestroy();
    t.ok(harness.backend.streams.every((stream) => stream.reset));
    t.same([harness.timers.size, harness.backend.resources().retries.count], [0, 0]);
  });
});

const redirecting = {
  maxInternalRedirects: 1,
  statusCodes: [302, 303],
  allowCrossScheme: false,
  predicates: [],
  responseHeadersToCopy: [],
};

t.test('Redirects', async (t) => {
  t.test('are followed with the whole body', async (t) => {
    const harness = new RouterHarness({ action: { internalRedirect: redirecting } });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('one'), false);
    filter.decodeData(Buffer.from('two'), true);
    harness.backend.last.respond(response(302, [['location', 'http://other/new']]));
    t.same(client.seen, ["recreated after 302 with 'onetwo'"]);
    t.equal(client.requestHeaders.path, '/new');
    t.equal(client.requestHeaders.get(H.xEnvoyOriginalUrl), 'http://host/');
  });

  t.test('leave the request as it was where they cannot be followed', async (t) => {
    const harness = new RouterHarness({ action: { internalRedirect: redirecting } });
    const { client } = harness.send([['x-a', '1']]);
    const before = harness.sentLines();
    client.streamInfo.filterStateForWriting();
    for (const location of ['/new', 'https://other/', '']) {
      const answer = response(302, [['location', location]]);
      const again = harness.send([['x-a', '1']]).client;
      harness.backend.last.respond(answer);
      t.same(again.seen, ['302 end'], location);
      t.same([again.requestHeaders.path, again.requestHeaders.authority], ['/', 'host']);
      t.same(harness.sentLines(), before);
    }
  });

  t.test('do not keep a body that is too large, nor one whose answer has begun', async (t) => {
    const harness = new RouterHarness({
      action: { internalRedirect: redirecting },
      bufferLimitBytes: 4,
    });
    const { client, filter } = harness.send([[':method', 'POST']], false);
    filter.decodeData(Buffer.from('12345'), true);
    harness.backend.last.respond(response(302, [['location', 'http://other/new']]));
    t.same(client.seen, ['302 end']);
    t.equal(harness.clusterStat('retry_or_shadow_abandoned'), 1);
    t.equal(harness.clusterStat('upstream_internal_redirect_failed_total'), 1);
    const early = harness.send([[':method', 'POST']], false);
    harness.backend.last.respond(response(200), false);
    early.filter.decodeData(Buffer.from('12345'), false);
    t.equal(harness.clusterStat('retry_or_shadow_abandoned'), 1);
  });
});

t.test('The replay guard', async (t) => {
  const guarded = (
    method: string,
  ): ReturnType<RouterHarness['send']> & { harness: RouterHarness } => {
    const harness = new RouterHarness({
      action: {
        guardReplays: true,
        retryPolicy: retryPolicy(['5xx', 'retriable-status-codes'], {
          retriableStatusCodes: [425],
        }),
      },
    });
    harness.backend.connected = false;
    return { harness, ...harness.send([[':method', method]]) };
  };

  t.test('sends again what may be done twice', async (t) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']) {
      const { harness } = guarded(method);
      harness.backend.last.ready().respond(response(503));
      harness.time.advance(50);
      t.equal(harness.backend.streams.length, 2, method);
    }
  });

  t.test('does not send again what may have been done', async (t) => {
    for (const method of ['POST', 'PATCH', 'CONNECT', 'BREW', 'get']) {
      const { harness, client } = guarded(method);
      harness.backend.last.ready().respond(response(503));
      harness.time.advance(1000);
      t.same([harness.backend.streams.length, client.seen.length], [1, 1], method);
      t.equal(harness.clusterStat('upstream_rq_replay_guarded'), 1);
      t.equal(client.streamInfo.flags, '-');
    }
    const { harness, client } = guarded('POST');
    harness.backend.last.ready().die(StreamResetReason.ConnectionTermination);
    t.equal(client.reply?.status, 503);
    t.equal(harness.backend.resources().retries.count, 0);
  });

  t.test('sends again what no upstream has seen, or says it has not done', async (t) => {
    const never = guarded('POST').harness;
    never.backend.last.fail('remote connection failure');
    const early = guarded('POST').harness;
    early.backend.last.ready().respond(response(425));
    const refused = guarded('POST').harness;
    refused.backend.last.ready().die(StreamResetReason.RemoteRefusedStreamReset);
    for (const harness of [never, early, refused]) {
      harness.time.advance(50);
      t.equal(harness.backend.streams.length, 2);
    }
    never.backend.last.ready().respond(response(503));
    never.time.advance(1000);
    t.equal(never.backend.streams.length, 2, 'now it has');
  });

  t.test('is off unless switched on', async (t) => {
    const harness = new RouterHarness({ action: { retryPolicy: retryPolicy(['5xx']) } });
    harness.send([[':method', 'POST']]);
    harness.backend.last.respond(response(503));
    harness.time.advance(50);
    t.equal(harness.backend.streams.length, 2);
  });
});

t.test('Maintenance', async (t) => {
  t.test('turns requests away by a runtime key of their cluster', async (t) => {
    const runtime = new Map([['upstream.maintenance_mode.backend', '100']]);
    const harness = new RouterHarness({ runtime });
    const { client } = harness.send();
    t.same(client.outcome, [503, 'maintenance mode', 'UO', 'maintenance_mode']);
    t.equal(client.responseHeaders?.get(H.xEnvoyOverloaded), 'true');
    t.same(
      [harness.clusterStat('upstream_rq_maintenance_mode'), harness.clusterStat('upstream_rq_503')],
      [1, 1],
    );
    const other = new RouterHarness({
      runtime: new Map([['upstream.maintenance_mode.mirror', '100']]),
    });
    other.send();
    t.equal(other.backend.streams.length, 1);
  });
});
