// [m] AppProbe and HttpProbe against real apps: HTTP, HTTPS with both protocols, TCP, gRPC, redirects, hooks.
import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import t from 'tap';

import { parseAppProbers } from '../../../agent/pod-annotations.ts';
import { AppProbe } from '../../../agent/status/app-probe.ts';
import type { AppProbeParts, ProbeAnswer } from '../../../agent/status/app-probe.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { TestAuthority } from '../../support/test-authority.ts';
import { freePort } from '../../support/free-port.ts';
import { serveHttp } from '../../support/test-http.ts';

const READYZ = '/app-health/app/readyz';
const STATUS_PORT = 15020;

type Headers = Readonly<Record<string, string[]>>;

interface Question {
  readonly prober: Readonly<Record<string, unknown>>;
  readonly headers?: Headers;
  readonly parts?: Partial<AppProbeParts>;
  readonly path?: string;
}

/** What the kubelet sends where the probe says nothing of its own. */
const KUBELET: Headers = {
  host: ['127.0.0.1:15020'],
  'user-agent': ['kube-probe/1.33'],
  accept: ['*/*'],
  connection: ['close'],
};

function probeWith(parts: Partial<AppProbeParts> = {}): AppProbe {
  const host = '127.0.0.1';
  const ours = { statusPort: STATUS_PORT, http2: true, keepAlive: false };
  return new AppProbe({ host, podAddress: host, ...ours, ...parts });
}

function run(question: Question, probe = probeWith(question.parts)): Promise<ProbeAnswer> {
  const problems: string[] = [];
  const path = question.path ?? READYZ;
  const probers = parseAppProbers(JSON.stringify({ [path]: question.prober }), problems);
  if (problems.length > 0) throw new Error(problems.join('; '));
  const headersDistinct = question.headers ?? KUBELET;
  return probe.run(probers.get(path)!, { headersDistinct, signal: new AbortController().signal });
}

async function listen(t: Teardowns, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

const identity = new TestAuthority().identity('spiffe://cluster.local/ns/a/sa/b');
const CERTIFICATE = { cert: identity.chainPem, key: identity.keyPem };

t.test('an HTTP app', async (t) => {
  await t.test('is asked from 127.0.0.6 with the headers of the probe', async (t) => {
    let seen: IncomingMessage | undefined;
    let from: string | undefined;
    const port = await serveHttp(t, (request, response) => {
      seen = request;
      from = request.socket.remoteAddress;
      response.writeHead(418).end('x'.repeat(20_000));
    });
    const answer = await run({
      prober: { httpGet: { port, path: '/ready?x=1' } },
      headers: { ...KUBELET, 'x-a': ['b', 'c'], te: ['trailers'], 'content-length': ['7'] },
    });
    t.equal(answer.status, 418);
    t.equal(answer.body.length, 10_240);
    t.equal(from, '127.0.0.6');
    t.equal(seen?.url, '/ready?x=1');
    t.strictSame(Object.assign({}, seen?.headersDistinct), {
      ...KUBELET,
      host: [`127.0.0.1:${port}`],
      'x-a': ['b', 'c'],
    });
  });

  await t.test('keeps a Host of its own, and hears its own port instead of ours', async (t) => {
    const port = await serveHttp(t, (request, response) => response.end(request.headers.host));
    for (const [given, wanted] of [
      ['10.0.0.1:15020', `10.0.0.1:${port}`],
      ['[2001:db8::1]:15020', `[2001:db8::1]:${port}`],
      ['shop.example', 'shop.example'],
      ['shop.example:8443', 'shop.example:8443'],
      ['[2001:db8::1]', '[2001:db8::1]'],
    ] as const) {
      const headers = { ...KUBELET, host: [given] };
      t.equal(String((await run({ prober: { httpGet: { port } }, headers })).body), wanted);
    }
  });

  await t.test('may have a path that no request line could hold', async (t) => {
    const port = await serveHttp(t, (request, response) => response.end(request.url));
    for (const [path, wanted] of [
      ['health check?a=b c', '/health%20check?a=b%20c'],
      ['/größe/%41', '/gr%C3%B6%C3%9Fe/%41'],
      ['/a\r\nx: y', '/a%0D%0Ax:%20y'],
      ['/a#part', '/a'],
      ['', '/'],
      ['//other.example/a', '//other.example/a'],
      ['/a/../b/%2e/c', '/a/../b/%2e/c'],
      ['/a\\b?x=\\', '/a\\b?x=\\'],
    ] as const)
      t.equal(String((await run({ prober: { httpGet: { port, path } } })).body), wanted);
  });

  await t.test('is given no more time than the probe has', async (t) => {
    const port = await serveHttp(t, (_, response) => response.write('half'));
    const answer = await run({ prober: { httpGet: { port }, timeoutSeconds: 0.1 } });
    t.match(answer, { status: 500, problem: 'no answer within 100 ms' });
  });

  await t.test('is asked on connections of their own, or on kept ones where told', async (t) => {
    const seen = new Set<number>();
    const answer: RequestListener = (request, response) => {
      seen.add(request.socket.remotePort!);
      response.end('yes');
    };
    const port = await serveHttp(t, answer);
    const prober = { httpGet: { port } };
    for (let i = 0; i < 3; i++) await run({ prober });
    t.equal(seen.size, 3);
    seen.clear();
    const keeping = probeWith({ keepAlive: true });
    for (let i = 0; i < 3; i++) t.equal((await run({ prober }, keeping)).status, 200);
    t.equal(seen.size, 1);
  });

  await t.test('may close a kept connection when it likes', async (t) => {
    const port = await serveHttp(t, (request, response) => {
      response.end('yes', () => setImmediate(() => request.socket.resetAndDestroy()));
    });
    const keeping = probeWith({ keepAlive: true });
    for (let i = 0; i < 5; i++)
      t.equal((await run({ prober: { httpGet: { port } } }, keeping)).status, 200);
  });

  await t.test('that does not listen has failed', async (t) => {
    const port = await freePort();
    t.match(await run({ prober: { httpGet: { port } } }), { status: 500, problem: /ECONNREFUSED/ });
  });

  await t.test('on localhost alone is reached there', async (t) => {
    const port = await serveHttp(t, (_, response) => response.end());
    const parts = { host: 'localhost', podAddress: '10.0.0.1' };
    t.equal((await run({ prober: { httpGet: { port } }, parts })).status, 200);
  });
});

t.test('redirects', async (t) => {
  const other = await serveHttp(t, (request, response) => {
    response.writeHead(request.headers.host?.startsWith('127.0.0.1:') ? 206 : 500).end();
  });
  let hops = 0;
  const port = await serveHttp(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://app');
    if (pathname === '/end') response.writeHead(503).end('the end');
    else if (pathname === '/host') response.end(request.headers.host);
    else if (pathname === '/count') {
      hops++;
      const to = hops < Number(searchParams.get('n')) ? request.url : '/end';
      response.writeHead(302, { location: to }).end();
    } else {
      const to = searchParams.get('to');
      response.writeHead(
        Number(searchParams.get('code') ?? 302),
        to === null ? {} : { location: to },
      );
      response.end('moved');
    }
  });
  const to = (target: string, code = 302): string =>
    `/r?code=${code}&to=${encodeURIComponent(target)}`;
  for (const [what, path, status, body] of [
    ['to a path of the app is followed', to('/end'), 503, 'the end'],
    ['is followed with 308, too', to('/end', 308), 503, 'the end'],
    ['to another host is success', to('http://other.example/'), 200, ''],
    ['to another port of the same host is followed', to(`http://127.0.0.1:${other}/`), 206, ''],
    ['to no host at all is success', to('mailto:a@b'), 200, ''],
    ['without a place is success', '/r?code=302', 200, ''],
    ['that is no redirect is success', to('/end', 304), 200, ''],
    ['that gives a choice is success', to('/end', 300), 200, ''],
    ['to what is no URL fails', to('http://['), 500, ''],
    ['to a scheme that nobody speaks fails', to('ftp://127.0.0.1/'), 500, ''],
    ['by a relative path keeps the Host of the probe', to('host'), 200, 'shop.example'],
    ['by a whole URL has its host', to(`http://127.0.0.1:${port}/host`), 200, `127.0.0.1:${port}`],
  ] as const) {
    const headers = { ...KUBELET, host: ['shop.example'] };
    const answer = await run({ prober: { httpGet: { port, path } }, headers });
    t.strictSame([answer.status, String(answer.body)], [status, body], `a redirect ${what}`);
  }
  for (const [n, status] of [
    [9, 503],
    [10, 500],
  ] as const) {
    hops = 0;
    const answer = await run({ prober: { httpGet: { port, path: `/count?n=${n}` } } });
    t.equal(answer.status, status, `${n} redirects in a row`);
    t.equal(hops, n);
  }
});

t.test('an HTTPS app', async (t) => {
  await t.test('is asked without a look at its certificate, in HTTP/1.1', async (t) => {
    const server = createHttpsServer(CERTIFICATE, (request, response) =>
      response.writeHead(202).end(`${request.httpVersion} ${request.headers.host}`),
    );
    const port = await listen(t, server);
    for (const parts of [{}, { http2: false }, { keepAlive: true }]) {
      const answer = await run({ prober: { httpGet: { port, scheme: 'HTTPS' } }, parts });
      t.strictSame([answer.status, String(answer.body)], [202, `1.1 127.0.0.1:${port}`]);
    }
    server.closeAllConnections();
  });

  await t.test('may speak HTTP/2 alone', async (t) => {
    const server = createSecureServer(CERTIFICATE, (request, response) => {
      response.writeHead(203);
      response.end(`${request.httpVersion} ${request.authority} ${request.headers['x-a']}`);
    });
    const port = await listen(t, server);
    const question: Question = {
      prober: { httpGet: { port, scheme: 'HTTPS', path: '/x' } },
      headers: { ...KUBELET, 'x-a': ['b'] },
    };
    const answer = await run(question);
    t.strictSame([answer.status, String(answer.body)], [203, `2.0 127.0.0.1:${port} b`]);
    const without = await run({ ...question, parts: { http2: false } });
    t.not(without.status, 203);
  });

  await t.test('is given no more time than the probe has, whatever it is slow in', async (t) => {
    const slow = createSecureServer(CERTIFICATE, () => {});
    const silent = process.getBuiltinModule('node:net').createServer(() => {});
    for (const server of [slow, silent]) {
      const port = await listen(t, server);
      const httpGet = { port, scheme: 'HTTPS' };
      const answer = await run({ prober: { httpGet, timeoutSeconds: 0.2 } });
      t.match(answer, { status: 500, problem: 'no answer within 200 ms' });
    }
  });

  await t.test('is asked nothing more once the kubelet has gone', async (t) => {
    const silent = process.getBuiltinModule('node:net').createServer(() => {});
    const port = await listen(t, silent);
    const problems: string[] = [];
    const prober = { httpGet: { port, scheme: 'HTTPS' }, timeoutSeconds: 60 };
    const probers = parseAppProbers(JSON.stringify({ [READYZ]: prober }), problems);
    const answer = await probeWith().run(probers.get(READYZ)!, {
      headersDistinct: KUBELET,
      signal: AbortSignal.abort(),
    });
    t.match(answer, { status: 500, problem: /abort/ });
  });

  await t.test('that speaks no TLS has failed', async (t) => {
    const port = await serveHttp(t, (_, response) => response.end());
    const answer = await run({ prober: { httpGet: { port, scheme: 'HTTPS' } } });
    t.equal(answer.status, 500);
  });
});

t.test('hooks are not cut after a second, as probes without a time of their own are', async (t) => {
  const port = await serveHttp(t, (_, response) => {
    setTimeout(() => response.end('done'), 1200);
  });
  const prober = { httpGet: { port } };
  const [hook, probe] = await Promise.all([
    run({ prober, path: '/app-lifecycle/app/prestopz' }),
    run({ prober }),
  ]);
  t.match(hook, { status: 200 });
  t.match(probe, { status: 500, problem: 'no answer within 1000 ms' });
});

t.test('a TCP app', async (t) => {
  const port = await serveHttp(t, () => {});
  t.equal((await run({ prober: { tcpSocket: { port } } })).status, 200);
  const closed = await freePort();
  t.match(await run({ prober: { tcpSocket: { port: closed } } }), {
    status: 500,
    problem: /ECONNREFUSED/,
  });
});

/** In `x-answer`'s place: what the app does, by the service that is asked for. */
const GRPC_ANSWERS: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  up: (stream) => grpcAnswer(stream, [0, 0, 0, 0, 2, 8, 1]),
  'up with a field we do not know': (stream) =>
    grpcAnswer(stream, [0, 0, 0, 0, 5, 0x12, 1, 0x78, 8, 1]),
  down: (stream) => grpcAnswer(stream, [0, 0, 0, 0, 2, 8, 2]),
  'says nothing': (stream) => grpcAnswer(stream, [0, 0, 0, 0, 0]),
  garbage: (stream) => grpcAnswer(stream, [0, 0, 0, 0, 200, 8]),
  unimplemented: (stream) =>
    stream.respond(
      { 'content-type': 'application/grpc', 'grpc-status': '12' },
      { endStream: true },
    ),
  'much too long': (stream) =>
    grpcAnswer(
      stream,
      Array.from({ length: 5000 }, () => 1),
    ),
  resets: (stream) => stream.close(2),
  silence: () => {},
};

function grpcAnswer(stream: ServerHttp2Stream, frame: readonly number[]): void {
  stream.on('error', () => {});
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from(frame));
}

t.test('a gRPC app', async (t) => {
  let agent: string | undefined;
  const app = createHttp2Server();
  app.on('stream', (stream: ServerHttp2Stream, headers) => {
    agent = headers['user-agent'];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      // The frame's head, then field 1 with its length, which is one byte or two.
      const name = chunk.subarray(chunk[6]! < 0x80 ? 7 : 8).toString();
      const known = GRPC_ANSWERS[name];
      if (known === undefined) grpcAnswer(stream, [0, 0, 0, 0, 2, 8, name.length === 300 ? 1 : 3]);
      else known(stream);
    });
  });
  const port = await listen(t, app);
  for (const [service, status, problem] of [
    ['up', 200, undefined],
    ['up with a field we do not know', 200, undefined],
    ['a name as long as '.padEnd(300, 'x'), 200, undefined],
    ['somebody else', 500, 'the service says SERVICE_UNKNOWN'],
    ['down', 500, 'the service says NOT_SERVING'],
    ['says nothing', 500, 'the service says UNKNOWN'],
    ['garbage', 500, 'the answer is no HealthCheckResponse'],
    ['unimplemented', 500, 'the app does not implement grpc.health.v1.Health (grpc status 12)'],
    ['much too long', 500, 'the answer is too long'],
    ['resets', 500, /NGHTTP2_INTERNAL_ERROR/],
    ['silence', 500, 'no answer within 300 ms'],
  ] as const) {
    const answer = await run({ prober: { grpc: { port, service }, timeoutSeconds: 0.3 } });
    t.match(answer, { status, problem }, service);
  }
  t.equal(agent, 'kube-probe/1.33');
  const closed = await freePort();
  t.match(await run({ prober: { grpc: { port: closed } } }), {
    status: 500,
    problem: /ECONNREFUSED/,
  });
});
