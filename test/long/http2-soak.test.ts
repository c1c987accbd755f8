// @long @timeout 900 s
// A mixed load over HTTP/2 and gRPC for a minute, ten with OUTRIGGER_SOAK_MINUTES=10: nothing fails that was not meant to, nothing stays.
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { connect as http2Connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import process from 'node:process';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';

const minutes = Math.min(10, Math.max(1, Number(process.env['OUTRIGGER_SOAK_MINUTES'] ?? '1')));
const SOAK_MS = minutes * 60_000;
t.setTimeout(SOAK_MS + 120_000);

const raw = (bytes: Buffer): Buffer => bytes;
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});

async function grpcOrigin(t: Test): Promise<number> {
  const server = new Server();
  server.addService(
    {
      Unary: method('/soak.Echo/Unary', false, false),
      Many: method('/soak.Echo/Many', false, true),
      Chat: method('/soak.Echo/Chat', true, true),
    },
    {
      Unary: (call: ServerUnaryCall<Buffer, Buffer>, done: (e: null, b: Buffer) => void) =>
        done(null, call.request),
      Many: (call: ServerWritableStream<Buffer, Buffer>) => {
        for (let i = 0; i < 20; i++) call.write(call.request);
        call.end();
      },
      Chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (part: Buffer) => call.write(part));
        call.on('end', () => call.end());
        call.on('error', () => {});
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.teardown(() => server.forceShutdown());
  return port;
}

interface Tally {
  done: number;
  failures: string[];
}

/**
 * How often a stream may be reset: Node's HTTP/2 server, our origin, ends a connection after a thousand resets and 33 more each second,
 * which a fast machine reaches within the minute.
 */
class Resets {
  readonly #startMs = performance.now();
  #taken = 0;

  mayHappen(): boolean {
    const allowed = 20 * (1 + (performance.now() - this.#startMs) / 1000);
    if (this.#taken >= allowed) return false;
    this.#taken++;
    return true;
  }
}

/** Repeats `work` until the soak is over; one after the other. */
async function keepOn(
  tally: Tally,
  endMs: number,
  work: (i: number) => Promise<void>,
): Promise<void> {
  for (let i = 0; performance.now() < endMs; i++) {
    try {
      await work(i);
      tally.done++;
    } catch (error) {
      tally.failures.push(String(error));
      if (tally.failures.length > 20) return;
    }
  }
}

const unary = async (grpc: Client, bytes: Buffer): Promise<void> => {
  const reply = await new Promise<Buffer>((resolve, reject) =>
    grpc.makeUnaryRequest('/soak.Echo/Unary', raw, raw, bytes, (error, got) =>
      error === null ? resolve(got!) : reject(error as Error),
    ),
  );
  if (!reply.equals(bytes)) throw new Error('another answer than what was sent');
};

const many = async (grpc: Client): Promise<void> => {
  let count = 0;
  for await (const _part of grpc.makeServerStreamRequest(
    '/soak.Echo/Many',
    raw,
    raw,
    Buffer.alloc(1000),
  ))
    count++;
  if (count !== 20) throw new Error(`${count} of 20 messages`);
};

/** Ends well, or is cancelled in its middle. */
const chat = async (grpc: Client, cancelled: boolean): Promise<void> => {
  const call = grpc.makeBidiStreamRequest('/soak.Echo/Chat', raw, raw);
  let count = 0;
  const over = new Promise<void>((resolve, reject) => {
    call.on('end', resolve);
    call.on('error', (error) => (cancelled ? resolve() : reject(error)));
  });
  call.on('data', () => {
    count++;
    if (count < 10) call.write(Buffer.alloc(2000));
    else if (cancelled) call.cancel();
    else call.end();
  });
  call.write(Buffer.alloc(2000));
  await over;
  if (count < 10) throw new Error(`${count} of 10 messages`);
};

/** Over a connection of Node's own: a body back and forth, or reset on its way. */
async function upload(session: ClientHttp2Session, abandoned: boolean): Promise<void> {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/soak.Echo/Chat',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const message = Buffer.alloc(5 + 60_000);
  message.writeUInt32BE(60_000, 1);
  let received = 0;
  await new Promise<void>((resolve, reject) => {
    stream.on('error', (error) => (abandoned ? resolve() : reject(error)));
    stream.on('close', resolve);
    stream.on('data', (chunk: Buffer) => (received += chunk.length));
    stream.write(message);
    if (abandoned) setTimeout(() => stream.close(8), 2);
    else stream.end();
  });
  if (!abandoned && received !== message.length) throw new Error(`${received} bytes came back`);
}

t.test(`A soak of ${minutes} min`, async (t) => {
  const port = await grpcOrigin(t);
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [httpListener('l', [{ match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } }])],
      [cluster('up', [port], { http2_protocol_options: {} })],
    ),
  );
  const target = `127.0.0.1:${proxy.port('l')}`;
  const clients = [0, 1].map(() => new Client(target, credentials.createInsecure()));
  const session = http2Connect(`http://${target}`);
  t.teardown(() => {
    for (const client of clients) client.close();
    session.destroy();
  });
  const warm = { done: 0, failures: [] as string[] };
  await keepOn(warm, performance.now() + 5000, () => unary(clients[0]!, Buffer.from('x')));
  const before = proxy.privateKb();

  const samples: number[] = [];
  const sampling = setInterval(() => samples.push(proxy.privateKb()), 15_000);
  const endMs = performance.now() + SOAK_MS;
  const tally: Tally = { done: 0, failures: [] };
  const [one, two] = clients as [Client, Client];
  const resets = new Resets();
  await Promise.all([
    keepOn(tally, endMs, (i) => unary(one, Buffer.alloc(1 + (i % 5) * 20_000, i % 251))),
    keepOn(tally, endMs, () => unary(two, Buffer.from('small'))),
    keepOn(tally, endMs, () => many(one)),
    keepOn(tally, endMs, (i) => chat(two, i % 3 === 0 && resets.mayHappen())),
    keepOn(tally, endMs, (i) => upload(session, i % 4 === 0 && resets.mayHappen())),
    // New connections all the time.
    keepOn(tally, endMs, async () => {
      const own = http2Connect(`http://${target}`);
      try {
        await upload(own, false);
      } finally {
        own.close();
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }),
  ]);
  clearInterval(sampling);
  t.comment(`private memory each 15 s, kB: ${samples.join(' ')}`);
  t.strictSame(tally.failures, []);
  t.ok(tally.done > minutes * 1000, `${tally.done} calls`);
  await eventually('no request is left', async () => {
    const active = await proxy.stat('cluster.up.upstream_rq_active');
    return active === 0;
  });
  // The heap grows with the load at first; what leaks grows on.
  const settled = samples[1] ?? before;
  const grown = proxy.privateKb() - Math.max(before, settled);
  t.ok(grown < 40_000, `memory grew ${grown} kB`);
});
