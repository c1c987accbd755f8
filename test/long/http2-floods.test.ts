// @long @timeout 300 s
// Each flood, again and again on new connections for two seconds: the offender is cut off with a reason, memory stays, and another
// client's answers are nearly as fast as in calm (attack checklist 31 to 37).
import { createServer } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import {
  END_HEADERS,
  FrameLog,
  GET,
  POST,
  PREFACE,
  block,
  continuation,
  data,
  headers,
  ping,
  priority,
  reset,
  settings,
  windowUpdate,
} from '../support/http2-frames.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';

t.setTimeout(280_000);

const FLOOD_MS = 2000;
/** Between two connections of the offender. */
const REST_MS = 20;
const GROWTH_KB = 24_000;
/** Two busy cores that the offender, its victim and the proxy share: what a scheduler adds. */
const SLACK_MS = 60;

const repeat = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const post = (id: number): Buffer => headers(id, POST, END_HEADERS);

interface Flood {
  readonly name: string;
  readonly bytes: Buffer;
  /** The offender takes nothing of what is said to it. */
  readonly deaf?: boolean;
  /** How its connection ends. */
  readonly end: RegExp;
}

const floods: readonly Flood[] = [
  {
    name: 'rapid reset',
    bytes: repeat(2000, (i) => Buffer.concat([headers(2 * i + 1, GET), reset(2 * i + 1)])),
    end: /ENHANCE_YOUR_CALM/,
  },
  {
    name: 'resets that the server is made to send',
    bytes: repeat(2000, (i) => Buffer.concat([post(2 * i + 1), windowUpdate(2 * i + 1, 0)])),
    end: /PROTOCOL_ERROR|ENHANCE_YOUR_CALM/,
  },
  { name: 'PING, unread', bytes: repeat(200_000, () => ping()), deaf: true, end: /./ },
  { name: 'SETTINGS, unread', bytes: repeat(200_000, () => settings()), deaf: true, end: /./ },
  {
    name: 'empty DATA',
    bytes: Buffer.concat([post(1), repeat(50_000, () => data(1, ''))]),
    end: /ENHANCE_YOUR_CALM/,
  },
  { name: 'PRIORITY', bytes: repeat(50_000, () => priority(3)), end: /ENHANCE_YOUR_CALM/ },
  {
    name: 'WINDOW_UPDATE',
    bytes: Buffer.concat([post(1), repeat(50_000, () => windowUpdate(1, 1))]),
    end: /ENHANCE_YOUR_CALM/,
  },
  {
    name: 'CONTINUATION without end',
    bytes: Buffer.concat([
      headers(1, block(GET), 0),
      repeat(20_000, (i) => continuation(1, block([[`a${i}`, 'b']]), 0)),
    ]),
    end: /ENHANCE_YOUR_CALM|PROTOCOL_ERROR/,
  },
  {
    name: 'lines without name or value',
    bytes: headers(
      1,
      repeat(5000, () => Buffer.from([0, 0, 0])),
    ),
    end: /PROTOCOL_ERROR|RST|ENHANCE_YOUR_CALM|COMPRESSION_ERROR/,
  },
];

/** One connection of the offender, until it ends; what it was told. */
async function offend({ bytes, deaf }: Flood, port: number): Promise<string> {
  const log = new FrameLog();
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  if (deaf === true) socket.pause();
  else socket.on('data', (chunk: Buffer) => log.push(chunk));
  socket.write(Buffer.concat([Buffer.from(PREFACE, 'latin1'), settings(), bytes]));
  await new Promise<void>((resolve) => {
    const limit = setTimeout(() => {
      if (deaf === true) socket.resume();
      setTimeout(() => socket.destroy(), 200);
    }, 1000);
    socket.once('close', () => {
      clearTimeout(limit);
      resolve();
    });
  });
  return log.answers.join('; ');
}

async function ask(session: ClientHttp2Session): Promise<number> {
  const startMs = performance.now();
  const stream = session.request({ ':path': '/' });
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', resolve);
    stream.resume();
  });
  return performance.now() - startMs;
}

/** 99 of 100 answers of the other client took no longer, ms. */
async function p99(session: ClientHttp2Session, forMs: number): Promise<number> {
  const times: number[] = [];
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    times.push(await ask(session));
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)]!;
}

async function startProxy(t: Test): Promise<ProxyProcess> {
  const origin = createServer((request, response) => {
    request.resume().once('end', () => response.end('ok'));
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    origin.closeAllConnections();
    origin.close();
  });
  const { port } = origin.address() as AddressInfo;
  return ProxyProcess.start(
    t,
    bootstrapOf(
      [httpListener('l', [{ match: { prefix: '/' }, route: { cluster: 'up' } }])],
      [cluster('up', [port])],
    ),
  );
}

t.test('Floods beside another client', async (t) => {
  const proxy = await startProxy(t);
  const port = proxy.port('l');
  const session = http2Connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  await p99(session, 1000);
  for (const flood of floods) {
    await t.test(flood.name, async (t) => {
      const calm = await p99(session, 700);
      const before = proxy.privateKb();
      const ends: string[] = [];
      let flooding = true;
      const offender = (async () => {
        while (flooding) {
          ends.push(await offend(flood, port));
          await new Promise((resolve) => setTimeout(resolve, REST_MS));
        }
      })();
      const beside = await p99(session, FLOOD_MS);
      flooding = false;
      await offender;
      const bound = Math.max(2 * calm, calm + SLACK_MS);
      t.ok(beside <= bound, `p99 ${beside.toFixed(1)} ms beside it, ${calm.toFixed(1)} in calm`);
      if (flood.deaf !== true) t.match(ends[0], flood.end);
      t.ok(ends.length > 0, `${ends.length} connections of the offender ended`);
      const grown = proxy.privateKb() - before;
      t.ok(grown < GROWTH_KB, `memory grew ${grown} kB`);
    });
  }
  await t.test('and the proxy still serves', async (t) => {
    t.ok((await ask(session)) < 2000);
    t.equal(await proxy.stat('http.l.downstream_rq_active').catch(() => 0), 0);
  });
});
