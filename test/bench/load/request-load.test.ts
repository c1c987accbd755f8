// Coordinated omission: a server that stalls must show its stall in the percentiles of an open loop.
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';

import { RequestLoad } from '../../../bench/load/request-load.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Answers at once, but for one stall that begins with the first request after `fromMs`. */
async function startStallingServer(fromMs: number, stallMs: number) {
  let startedMs = Number.NaN;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      const nowMs = performance.now();
      if (Number.isNaN(startedMs)) startedMs = nowMs;
      const leftMs = startedMs + fromMs + stallMs - nowMs;
      const stalls = nowMs >= startedMs + fromMs && leftMs > 0;
      if (stalls) setTimeout(() => socket.write(ANSWER), leftMs).unref();
      else socket.write(ANSWER);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}

t.test('RequestLoad', async (t) => {
  await t.test('counts the wait of requests that fell due in a stall', async (t) => {
    const server = await startStallingServer(300, 400);
    t.teardown(server.close);
    const load = new RequestLoad({ url: server.url, connections: 1, durationMs: 1_000, rps: 100 });
    const reply = await load.run();
    t.equal(reply.failures, 0);
    // 40 of 100 requests fell due in the stall; one connection alone would have shown a single slow answer.
    t.ok(reply.p90Us > 200_000, `p90 ${reply.p90Us}`);
    t.ok(reply.maxUs > 350_000, `most ${reply.maxUs}`);
  });

  await t.test('still sends what waits when the time is over', async (t) => {
    const server = await startStallingServer(100, 400);
    t.teardown(server.close);
    const load = new RequestLoad({ url: server.url, connections: 1, durationMs: 300, rps: 100 });
    const reply = await load.run();
    t.equal(reply.failures, 0);
    t.ok(reply.requests >= 28, `${reply.requests}`);
  });

  await t.test('counts requests that get no answer as failures', async (t) => {
    const server = await startStallingServer(0, 60_000);
    t.teardown(server.close);
    const load = new RequestLoad({ url: server.url, connections: 2, durationMs: 100, rps: 50 });
    const reply = await load.run();
    t.ok(reply.failures >= 4, `${reply.failures}`);
    t.ok(reply.maxUs > 1_000_000, 'their wait is in the latencies');
  });

  await t.test('counts refused answers', async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.write('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const reply = await new RequestLoad({ url, connections: 1, durationMs: 100 }).run();
    t.ok(reply.requests > 0);
    t.equal(reply.failures, reply.requests);
  });

  await t.test('opens a new connection where the server closes', async (t) => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const reply = await new RequestLoad({ url, connections: 1, durationMs: 200 }).run();
    t.equal(reply.failures, 0);
    t.ok(reply.requests > 1);
    t.ok(connections >= reply.requests);
  });
});
