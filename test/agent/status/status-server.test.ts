// [m] StatusServer: paths, who may call what, probes of HTTP, TCP and gRPC apps.
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
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
import { ask, freePort, serveHttp } from '../../support/test-http.ts';

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
      app: undefined,
      logger,
      limits: DEFAULT_MERGE_LIMITS,
    }),
    probe: new AppProbe('127.0.0.1'),
    probers: parseAppProbers(JSON.stringify(probers), problems),
    logger,
    onDrain: async () => void calls.push('drain'),
    onQuit: () => calls.push('quit'),
    warning: () => 'certificate default ends in 5 min\n',
    nameTableJson: () => '{"a":[]}',
  });
  if (problems.length > 0) throw new Error(problems.join('; '));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close());
  return { port, calls, lines };
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
      ['GET', READYZ, 400, `app prober config does not exists for ${READYZ}\n`],
      ['GET', '/__proto__', 404, '404 page not found\n'],
      ['GET', '/app-health/__proto__', 400, /does not exists/],
    ] as const) {
      const reply = await ask(port, method, path);
      t.equal(reply.status, status, path);
      if (typeof body === 'string') t.equal(reply.body, body, path);
      else t.match(reply.body, body, path);
    }
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

t.test('AppProbe', (t) => {
  t.test('asks an HTTP app from 127.0.0.6 with the headers of the probe', async (t) => {
    let seen = '';
    const appPort = await serveHttp(t, (request, response) => {
      seen = `${request.socket.remoteAddress} ${request.headers.host} ${request.headers['x-a']} ${request.url}`;
      response.writeHead(418).end('x'.repeat(20_000));
    });
    const { port } = await setUp(t, {
      [READYZ]: { httpGet: { port: appPort, path: '/ready?x=1' } },
    });
    const reply = await ask(port, 'GET', READYZ, { host: 'pod.example:15020', 'x-a': 'b' });
    t.equal(reply.status, 418);
    t.equal(reply.body.length, 10_240);
    t.equal(seen, `127.0.0.6 pod.example:${appPort} b /ready?x=1`);
  });

  t.test('follows redirects on the same host, and takes others for success', async (t) => {
    const appPort = await serveHttp(t, (request, response) => {
      const to: Record<string, string> = {
        '/here': '/down',
        '/away': 'http://other.example/',
        '/loop': '/loop',
      };
      const location = to[request.url ?? ''];
      if (location === undefined) response.writeHead(500).end();
      else response.writeHead(302, { location }).end();
    });
    for (const [path, status] of [
      ['/here', 500],
      ['/away', 200],
      ['/loop', 500],
    ] as const) {
      const { port } = await setUp(t, { [READYZ]: { httpGet: { port: appPort, path } } });
      t.equal((await ask(port, 'GET', READYZ)).status, status, path);
    }
  });

  t.test('answers 500 where the app does not', async (t) => {
    const silent = await serveHttp(t, () => {});
    const closed = await freePort();
    const { port, lines } = await setUp(t, {
      [READYZ]: { httpGet: { port: silent, path: '/' }, timeoutSeconds: 0.1 },
      '/app-health/app/livez': { tcpSocket: { port: closed } },
      '/app-health/app/startupz': { grpc: { port: closed } },
    });
    for (const name of ['readyz', 'livez', 'startupz']) {
      t.equal((await ask(port, 'GET', `/app-health/app/${name}`)).status, 500, name);
    }
    t.match(lines, [/no answer within 100 ms/, /ECONNREFUSED/, /ECONNREFUSED/]);
  });

  t.test('connects to a TCP app', async (t) => {
    const appPort = await serveHttp(t, () => {});
    const { port } = await setUp(t, { [READYZ]: { tcpSocket: { port: appPort } } });
    t.equal((await ask(port, 'GET', READYZ)).status, 200);
  });

  t.test('asks a gRPC app for its health', async (t) => {
    let asked = '';
    const app = createHttp2Server();
    app.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('data', (chunk: Buffer) => {
        asked = `${headers[':path']} ${chunk.toString('hex')}`;
        const serving = chunk.includes('up') ? 1 : 2;
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc' },
          { waitForTrailers: true },
        );
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving]));
      });
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    t.teardown(() => app.close());
    const appPort = (app.address() as AddressInfo).port;
    for (const [service, status] of [
      ['up', 200],
      ['down', 500],
    ] as const) {
      const { port } = await setUp(t, { [READYZ]: { grpc: { port: appPort, service } } });
      t.equal((await ask(port, 'GET', READYZ)).status, status, service);
    }
    t.equal(asked, '/grpc.health.v1.Health/Check 00000000060a04646f776e');
  });

  t.end();
});
