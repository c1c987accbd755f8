// [w] The router filter: requests that met a dead connection are sent once more (docs/stale-connections.md).
import t from 'tap';

import { StreamResetReason } from '../../../proxy/http/codec.ts';
import type { RouteActionConfig } from '../../../proxy/config/route-config.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import type { ScriptedClient } from '../../support/router-harness.ts';
import type { HttpFilter } from '../../../proxy/http/http-filter.ts';
import { response, retryPolicy } from '../../support/route-samples.ts';

const BROKEN =
  'upstream connect error or disconnect/reset before headers. reset reason: connection termination';

function harnessOf(action: Partial<RouteActionConfig> = {}): RouterHarness {
  const harness = new RouterHarness({ action });
  harness.backend.kept = true;
  return harness;
}

type Sent = { readonly client: ScriptedClient; readonly filter: HttpFilter };
const REPLAYED = 'upstream_rq_stale_replayed';

t.test('A request that met a dead connection', async (t) => {
  t.test('goes out once more, to the same host, on a fresh connection, and is no retry', (t) => {
    const harness = harnessOf();
    const { client } = harness.send();
    harness.backend.streams[0]!.dieStale();
    const [first, second] = harness.backend.streams;
    t.same([first!.fresh, second!.fresh], [undefined, true].map(Boolean));
    t.equal(second!.host, first!.host);
    second!.respond(response(200));
    t.same(client.seen, ['200 end']);
    t.equal(client.streamInfo.attemptCount, 1);
    t.same([harness.clusterStat(REPLAYED), harness.clusterStat('upstream_rq_retry')], [1, 0]);
    t.equal(first!.host.counts.rqError, 0, 'the host is not to blame');
    t.end();
  });

  const rows: readonly (readonly [
    name: string,
    replayed: boolean,
    method: string,
    play: (sent: Sent) => void,
    action?: Partial<RouteActionConfig>,
  ])[] = [
    ['GET', true, 'GET', () => {}],
    ['PUT with its body', true, 'PUT', ({ filter }) => filter.decodeData(Buffer.from('ab'), true)],
    [
      'DELETE with trailers',
      true,
      'DELETE',
      ({ filter }) => {
        filter.decodeData(Buffer.from('ab'), false);
        filter.decodeTrailers(response(200));
      },
    ],
    [
      'POST of which all was sent',
      false,
      'POST',
      ({ filter }) => filter.decodeData(Buffer.from('ab'), true),
    ],
    [
      'POST that is not complete',
      true,
      'POST',
      ({ filter }) => filter.decodeData(Buffer.from('ab'), false),
    ],
    [
      'POST that is not complete under the replay guard',
      false,
      'POST',
      ({ filter }) => filter.decodeData(Buffer.from('ab'), false),
      { guardReplays: true },
    ],
    ['GET under the replay guard', true, 'GET', () => {}, { guardReplays: true }],
    ['GET where it is switched off', false, 'GET', () => {}, { replayStale: false }],
    [
      'PUT of a body too large to keep',
      false,
      'PUT',
      ({ filter }) => filter.decodeData(Buffer.alloc(65_537), true),
    ],
  ];
  for (const [name, replayed, method, play, action] of rows) {
    t.test(`${replayed ? 'is' : 'is not'} sent again: ${name}`, (t) => {
      const harness = harnessOf(action);
      const sent = harness.send([[':method', method]], method === 'GET');
      play(sent);
      const first = harness.backend.last;
      first.dieStale();
      t.equal(harness.clusterStat(REPLAYED), replayed ? 1 : 0);
      if (replayed) t.same(harness.backend.last.sent.join(' '), first.sent.join(' '));
      else t.same(sent.client.outcome.slice(0, 3), [503, BROKEN, 'UC']);
      t.end();
    });
  }

  t.test('is not sent again when the connection was fresh, or an answer had begun', (t) => {
    const fresh = harnessOf();
    fresh.backend.kept = false;
    const { client } = fresh.send();
    fresh.backend.last.dieStale();
    t.equal(client.outcome[2], 'UC');

    const begun = harnessOf();
    const { client: other } = begun.send();
    begun.backend.last.respond(response(200), false);
    begun.backend.last.dieStale();
    t.same(other.seen, ['200', 'reset']);
    t.equal(begun.backend.streams.length, 1);
    t.end();
  });

  t.test('is not sent a third time', (t) => {
    const harness = harnessOf();
    const { client } = harness.send();
    harness.backend.last.dieStale();
    harness.backend.last.facts.kept = true;
    harness.backend.last.dieStale();
    t.equal(harness.backend.streams.length, 2);
    t.equal(client.outcome[2], 'UC');
    t.end();
  });

  t.test('is retried by its policy when the fresh connection fails', (t) => {
    const harness = harnessOf({ retryPolicy: retryPolicy(['reset']) });
    harness.send();
    harness.backend.last.dieStale();
    harness.backend.last.die('connection termination');
    harness.time.advance(1000);
    t.equal(harness.backend.streams.length, 3);
    t.equal(harness.clusterStat('upstream_rq_retry'), 1);
    t.end();
  });

  t.test('keeps to the breaker of those who wait', (t) => {
    const harness = harnessOf();
    const { client } = harness.send();
    const { pendingRequests } = harness.backend.resources();
    pendingRequests.max = 0;
    harness.backend.last.dieStale();
    t.equal(client.outcome[2], 'UC');
    t.end();
  });

  t.test('of any method goes out again when the server said goodbye without looking at it', (t) => {
    const harness = harnessOf();
    harness.backend.kept = false;
    const { client } = harness.send([[':method', 'POST']]);
    harness.backend.last.dieStale(StreamResetReason.RemoteRefusedStreamReset);
    t.equal(harness.backend.streams.length, 2);
    harness.backend.last.respond(response(200));
    t.same(client.seen, ['200 end']);
    t.end();
  });

  t.test('starts its per-try time anew', (t) => {
    const harness = harnessOf({
      retryPolicy: retryPolicy(['reset'], { perTryTimeoutMs: 100 }),
    });
    const { client } = harness.send();
    harness.time.advance(90);
    harness.backend.last.dieStale();
    harness.time.advance(90);
    t.equal(client.reply, null);
    t.end();
  });
});
