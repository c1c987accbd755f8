// [w] The router filter: back-pressure, upgrades, mirrors (envoy-behaviour §1.11, §3.7).
import t from 'tap';
import { H } from '../../../proxy/http/headers.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import { linesOf, response } from '../../support/route-samples.ts';

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
  const upgrade: [string, string][] = [
    ['upgrade', 'websocket'],
    ['connection', 'Upgrade'],
  ];

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
    harness.backend.last.respond(
      response(302, [
        ['location', '/x'],
        ['content-length', '3'],
      ]),
      false,
    );
    t.same(client.outcome, [302, '', '-', 'websocket_handshake_unsuccessful']);
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
    const mirrors = [
      { cluster: 'mirror', fraction: undefined, disableShadowHostSuffixAppend: false },
    ];
    const harness = new RouterHarness({ action: { mirrors } });
    harness.mirror.connected = false;
    const { client, filter } = harness.send(
      [
        [':method', 'POST'],
        [':authority', 'foo:80'],
      ],
      false,
    );
    filter.decodeData(Buffer.from('one'), false);
    harness.mirror.last.ready();
    filter.decodeData(Buffer.from('two'), true);
    t.same(harness.mirror.last.sent, ['POST foo-shadow:80 /', 'one', 'two end']);
    t.equal(harness.mirror.last.headers!.get(H.xEnvoyInternal), 'true');
    t.equal(harness.mirror.last.headers!.get(H.xForwardedFor), '127.0.0.1');
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
