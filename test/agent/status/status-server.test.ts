// [m] StatusServer: paths, who may call what, what a probe of the kubelet becomes.
import http2 from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { ProxyAdmin } from '../../../agent/proxy-admin.ts';
import { parseAppProbers } from '../../../agent/pod-annotations.ts';
import { AppProbe } from '../../../agent/status/app-probe.ts';
import { DEFAULT_MERGE_LIMITS, MetricsMerger } from '../../../agent/status/metrics-merger.ts';
import { Readiness } from '../../../agent/status/readiness.ts';
import { StatusServer } from '../../../agent/status/status-server.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { freePort } from '../../support/free-port.ts';
import { ask, serveHttp } from '../../support/test-http.ts';

interface Setup {
  readonly port: number;
  readonly calls: string[];
  readonly lines: string[];
}

async function setUp(
  t: Teardowns,
  probers: Readonly<Record<string, unknown>> = {},
): Promise<Setup> {
  const calls: string[] = [];
  const { logger, lines } = captureLog();
  const problems: string[] = [];
  const server = new StatusServer({
    readiness: new Readiness({
      admin: new ProxyAdmin('127.0.0.1', await freePort()),
      leaving: () => false,
      dnsMissing: () => false,
      onFirstReady: () => {},
    }),
    merger: new MetricsMerger({
      metrics: new AgentMetrics(),
      proxy: undefined,
      apps: [],
      logger,
      limits: DEFAULT_MERGE_LIMITS,
    }),
    metricsForLocalOnly: true,
    probe: new AppProbe({
      host: '127.0.0.1',
      podAddress: '127.0.0.1',
      statusPort: 15020,
      http2: true,
      keepAlive: false,
    }),
    probers: parseAppProbers(JSON.stringify(probers), problems),
    logger,
    onDrain: async () => void calls.push('drain'),
    onQuit: () => calls.push('quit'),
    warning: () => 'certificate default ends in 5 min\n',
    nameTableJson: () => '{"a":[]}',
    profiling: true,
  });
  if (problems.length > 0) throw new Error(problems.join('; '));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  return { port, calls, lines };
}

interface Http2Reply {
  readonly status: number;
  readonly body: string;
}

function http2Ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
): Promise<Http2Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let status = 0;
    let body = '';
    stream.on('response', (head) => (status = head[':status'] ?? 0));
    stream.setEncoding('latin1').on('data', (chunk: string) => (body += chunk));
    stream.on('end', () => resolve({ status, body }));
    stream.on('error', reject);
  });
}

/** Each byte that is written goes out by itself. */
function byBytes(socket: Socket): Duplex {
  socket.setNoDelay(true);
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _, done) => {
      const next = (at: number): void => {
        if (at === chunk.length) done();
        else socket.write(chunk.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      next(0);
    },
  });
  socket.on('data', (chunk: Buffer) => duplex.push(chunk));
  socket.on('error', () => duplex.destroy());
  socket.on('close', () => duplex.destroy());
  duplex.on('close', () => socket.destroy());
  return duplex;
}

const READYZ = '/app-health/app/readyz';

t.test('StatusServer', (t) => {
  t.test('answers each path as stock does', async (t) => {
    const { port } = await setUp(t);
    for (const [method, path, status, body] of [
      ['GET', '/healthz/ready', 503, ''],
      ['GET', '/metrics', 200, /istio_agent_scrapes_total 1/],
      ['GET', '/stats/prometheus?x', 200, /istio_agent_scrapes_total 2/],
      ['GET', '/quitquitquit', 405, 'Method Not Allowed\n'],
      ['GET', '/drain', 405, 'Method Not Allowed\n'],
      ['GET', '/debug/ndsz', 200, '{"a":[]}'],
      ['GET', '/debug/pprof/', 200, /profile\?seconds=30/],
      ['GET', '/debug/pprof/cmdline', 200, /status-server\.test\.ts\0/],
      ['GET', '/debug/pprof/symbol', 200, 'num_symbols: 0\n'],
      ['GET', '/debug/pprof/goroutine', 200, /1 TCPServerWrap\n/],
      ['GET', '/debug/pprof/memory', 200, /"heapUsed"/],
      ['GET', '/debug/pprof/profile?seconds=-1', 400, /seconds must be a number up to 300/],
      ['GET', '/debug/pprof/trace', 404, /no profile "trace"/],
      ['GET', READYZ, 400, `app prober config does not exists for ${READYZ}`],
      ['GET', '/__proto__', 404, '404 page not found\n'],
      ['GET', '/app-health/__proto__', 400, /does not exists/],
    ] as const) {
      const reply = await ask(port, method, path);
      t.equal(reply.status, status, path);
      if (typeof body === 'string') t.equal(reply.body, body, path);
      else t.match(reply.body, body, path);
    }
  });

  t.test('hands a probe with its headers on to the app, and its answer back', async (t) => {
    const appPort = await serveHttp(t, (request, response) => {
      response.writeHead(418).end(`${request.headers['x-a']} ${request.headers.host}`);
    });
    const { port } = await setUp(t, { [READYZ]: { httpGet: { port: appPort } } });
    const reply = await ask(port, 'GET', READYZ, { host: '10.0.0.9:15020', 'x-a': 'b' });
    t.match(reply, { status: 418, body: `b 10.0.0.9:${appPort}` });
  });

  t.test('takes HTTP/2 without TLS, its preface cut anywhere', async (t) => {
    const appPort = await serveHttp(t, (request, response) => {
      response.writeHead(200).end(`${request.headers['x-a']} ${request.headers.host}`);
    });
    const { port, calls } = await setUp(t, { [READYZ]: { httpGet: { port: appPort } } });
    const socket = connect(port, '127.0.0.1');
    const session = http2.connect(`http://10.0.0.9:15020`, {
      createConnection: () => byBytes(socket),
    });
    t.teardown(() => session.destroy());
    const probed = await http2Ask(session, { ':path': READYZ, 'x-a': 'b' });
    t.strictSame(probed, { status: 200, body: `b 10.0.0.9:${appPort}` });
    const scraped = await http2Ask(session, { ':path': '/metrics', 'accept-encoding': 'gzip' });
    t.equal(scraped.status, 200);
    const drained = await http2Ask(session, { ':path': '/drain', ':method': 'POST' });
    t.strictSame(drained, { status: 200, body: 'OK' });
    t.strictSame(calls, ['drain']);
  });

  t.test('takes a request of HTTP/1.1 that begins as the other preface does', async (t) => {
    const { port } = await setUp(t);
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket.setNoDelay(true);
    socket.write('P');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write('OST /quitquitquit HTTP/1.1\r\nhost: x\r\n\r\n');
    await eventually('it is answered', () => text.includes('OK'));
    socket.destroy();
    t.match(text, 'HTTP/1.1 200 OK');
  });

  t.test('lets go of who connects and says nothing', async (t) => {
    const { port } = await setUp(t);
    const startMs = performance.now();
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.resume();
    socket.end();
    await new Promise((resolve) => socket.once('end', resolve));
    t.ok(performance.now() - startMs < 9000, 'long before it would be given up');
  });

  t.test('answers whoever asks, however many others hold connections', async (t) => {
    const { port } = await setUp(t);
    const others: Socket[] = [];
    t.teardown(() => others.forEach((socket) => socket.destroy()));
    for (let i = 0; i < 600; i++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      // Some say nothing, some begin and do not end.
      if (i % 2 === 0) socket.write('GET /healthz/ready HTTP/1.1\r\n');
      others.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
    }
    t.equal((await ask(port, 'GET', '/healthz/ready')).status, 503);
    await eventually('others make room', () => others.filter(({ closed }) => closed).length >= 89);
    t.equal(others.at(-1)!.closed, false, 'the oldest of them');
  });

  t.test('a hook whose caller goes away is let go of', async (t) => {
    let open = 0;
    const appPort = await serveHttp(t, (_, response) => {
      open++;
      response.on('close', () => open--);
    });
    const path = '/app-lifecycle/app/prestopz';
    const { port } = await setUp(t, { [path]: { httpGet: { port: appPort } } });
    const caller = connect(port, '127.0.0.1');
    caller.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await eventually('the app is asked', () => open === 1);
    caller.destroy();
    await eventually('the app is left', () => open === 0);
  });

  t.test('logs why it is not ready once, not at every probe', async (t) => {
    const { port, lines } = await setUp(t);
    await ask(port, 'GET', '/healthz/ready');
    await ask(port, 'GET', '/healthz/ready');
    t.match(lines, [/^warning Envoy proxy is NOT ready: failed to get stats/]);
    t.equal(lines.length, 1);
  });

  t.test('tells of a certificate near its end beside the answer', async (t) => {
    const { port } = await setUp(t);
    t.match(await ask(port, 'GET', '/healthz/ready'), {
      headers: { 'x-outrigger-warning': 'certificate default ends in 5 min?' },
      body: '',
    });
  });

  t.test('drains and quits on POST', async (t) => {
    const { port, calls } = await setUp(t);
    t.match(await ask(port, 'POST', '/drain'), { status: 200, body: 'OK' });
    t.match(await ask(port, 'POST', '/quitquitquit'), { status: 200, body: 'OK' });
    await eventually('it quits', () => calls.length === 2);
    t.strictSame(calls, ['drain', 'quit']);
  });

  t.test('names the port and the option when the port is taken', async (t) => {
    const { port } = await setUp(t);
    const { logger } = captureLog();
    const parts = { probers: new Map(), logger } as unknown as ConstructorParameters<
      typeof StatusServer
    >[0];
    const second = new StatusServer(parts);
    await t.rejects(
      second.listen({ host: '127.0.0.1', port }),
      /choose another ProxyConfig.statusPort/,
    );
  });

  t.end();
});
