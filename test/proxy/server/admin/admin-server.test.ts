// The admin server over real sockets: headers, forms, odd clients, unix sockets, closing.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { realTime } from '../../../../proxy/base/clock.ts';
import { AdminServer } from '../../../../proxy/server/admin/admin-server.ts';
import { adminFixture } from '../../../support/admin-context.ts';
import { eventually } from '../../../support/eventually.ts';

const LOOPBACK = { kind: 'ip', address: '127.0.0.1', port: 0 } as const;

t.test('AdminServer', async (t) => {
  const directory = t.testdir();
  const addressFile = join(directory, 'admin-address');
  const { context, commands } = await adminFixture({}, ['--admin-address-path', addressFile]);
  const server = new AdminServer(context, realTime);
  server.listen(LOOPBACK);
  t.teardown(() => server.close());
  const port = server.address?.kind === 'ip' ? server.address.port : 0;
  const base = `http://127.0.0.1:${port}`;

  t.test('answers with the headers of Envoy', async (t) => {
    const response = await fetch(`${base}/ready`);
    t.equal(response.status, 200);
    t.equal(await response.text(), 'LIVE\n');
    t.equal(response.headers.get('content-type'), 'text/plain; charset=UTF-8');
    t.equal(response.headers.get('cache-control'), 'no-cache, max-age=0');
    t.equal(response.headers.get('x-content-type-options'), 'nosniff');
    t.equal(response.headers.get('server'), 'envoy');
  });

  t.test('takes forms', async (t) => {
    await fetch(`${base}/drain_listeners`, {
      method: 'POST',
      body: new URLSearchParams('graceful='),
    });
    t.same(commands, ['drain {"inboundOnly":false,"graceful":true,"skipExit":false}']);
  });

  t.test('says where it listens', (t) => {
    t.equal(readFileSync(addressFile, 'utf8'), `127.0.0.1:${port}`);
    t.end();
  });

  t.test('lives on after clients that break off or send too much', async (t) => {
    const broken = connect(port, '127.0.0.1', () =>
      broken.end('POST /logging HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx'),
    );
    broken.on('error', () => {});
    const large = request(`${base}/logging`, { method: 'POST' });
    large.on('error', () => {});
    large.end('x'.repeat(1_000_000));
    await new Promise((resolve) => large.on('close', resolve));
    t.equal((await fetch(`${base}/ready`)).status, 200);
  });

  /** What comes back on one connection until it ends; `parts` are sent one by one, each after something came. */
  const raw = (...parts: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = '';
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(parts.shift()!));
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        const next = parts.shift();
        if (next !== undefined) socket.write(next);
      });
      socket.on('end', () => {
        socket.destroy();
        resolve(text);
      });
      socket.on('error', reject);
    });

  t.test(
    'keeps a connection, answers pipelined requests in order and HEAD without a body',
    async (t) => {
      const head = 'host: a\r\n\r\n';
      const text = await raw(
        `HEAD /ready HTTP/1.1\r\n${head}GET /ready HTTP/1.1\r\n${head}GET /nothing HTTP/1.1\r\nconnection: close\r\n${head}`,
      );
      const answers = text.split('HTTP/1.1 ').slice(1);
      t.equal(answers.length, 3);
      t.match(answers[0], /^200 OK\r\n[^]*content-length: 5\r\n[^]*\r\n\r\n$/);
      t.match(answers[1], /^200 OK\r\n[^]*\r\n\r\nLIVE\n$/);
      t.match(answers[2], /^404 Not Found\r\n[^]*connection: close\r\n/);
    },
  );

  const REFUSED = [
    { what: 'no host', said: 'GET /ready HTTP/1.1\r\n\r\n', status: 400 },
    { what: 'no HTTP', said: 'hello\r\n\r\n', status: 400 },
    { what: 'a tunnel', said: 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', status: 405 },
    {
      what: 'a body too long',
      said: `POST /logging HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(600_000)}`,
      status: 413,
    },
    {
      what: 'a head too long',
      said: `GET /ready HTTP/1.1\r\nhost: a\r\na: ${'x'.repeat(70_000)}\r\n\r\n`,
      status: 431,
    },
  ];
  t.test('refuses what it does not understand', async (t) => {
    const answers = await Promise.all(REFUSED.map(({ said }) => raw(said)));
    for (const [index, { what, status }] of REFUSED.entries())
      t.match(answers[index], new RegExp(`^HTTP/1.1 ${status} `), what);
  });

  t.test('HTTP/1.0 ends with its answer', async (t) => {
    t.match(await raw('GET /ready HTTP/1.0\r\n\r\n'), /^HTTP\/1.0 200 OK[^]*LIVE\n$/);
  });

  t.test('tells a client that asks first to send its form', async (t) => {
    commands.length = 0;
    const type = 'application/x-www-form-urlencoded';
    const text = await raw(
      `POST /drain_listeners HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-type: ${type}\r\ncontent-length: 9\r\n\r\n`,
      'graceful=',
    );
    t.match(text, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
    t.equal(commands.length, 1);
  });

  t.test('answers a client that ends its side behind its request', async (t) => {
    const text = await new Promise<string>((resolve) => {
      let got = '';
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('data', (chunk) => (got += chunk.toString('latin1')));
      socket.on('close', () => resolve(got));
      socket.end('GET /ready HTTP/1.1\r\nhost: a\r\n\r\n');
    });
    t.match(text, /LIVE\n$/);
  });

  t.test('refuses an address in use', async (t) => {
    const second = new AdminServer(context, realTime);
    t.throws(() => second.listen({ ...LOOPBACK, port }), /cannot bind .*: Address already in use/);
    second.close();
  });

  t.test('listens on a unix socket, and leaves other files alone', async (t) => {
    const path = join(directory, 'a.sock');
    const own = new AdminServer(context, realTime);
    own.listen({ kind: 'pipe', path, mode: 0o600 });
    t.equal(statSync(path).mode & 0o777, 0o600);
    const status = await new Promise((resolve) => {
      request({ socketPath: path, path: '/ready' }, (response) =>
        resolve(response.statusCode),
      ).end();
    });
    t.equal(status, 200);
    own.close();
    const file = join(directory, 'file');
    writeFileSync(file, 'keep');
    const other = new AdminServer(context, realTime);
    t.throws(() => other.listen({ kind: 'pipe', path: file, mode: 0 }));
    t.equal(readFileSync(file, 'utf8'), 'keep');
    other.close();
  });

  t.test('closes at once, with clients still connected', async (t) => {
    const own = new AdminServer(context, realTime);
    own.listen(LOOPBACK);
    const ownPort = own.address?.kind === 'ip' ? own.address.port : 0;
    let closed = false;
    const idle = connect(ownPort, '127.0.0.1', () =>
      idle.write('GET /ready HTTP/1.1\r\nhost: a\r\n\r\n'),
    );
    idle.on('close', () => (closed = true)).on('error', () => {});
    await new Promise((resolve) => idle.once('data', resolve));
    own.close();
    await eventually('the connection is closed', () => closed);
    t.equal(own.address, undefined);
  });
});
