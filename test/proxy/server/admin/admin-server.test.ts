// The admin server over real sockets: headers, forms, odd clients, unix sockets, closing.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { AdminServer } from '../../../../proxy/server/admin/admin-server.ts';
import { adminFixture } from '../../../support/admin-context.ts';
import { eventually } from '../../../support/eventually.ts';

const LOOPBACK = { kind: 'ip', address: '127.0.0.1', port: 0 } as const;

t.test('AdminServer', async (t) => {
  const directory = t.testdir();
  const addressFile = join(directory, 'admin-address');
  const { context, commands } = await adminFixture({}, ['--admin-address-path', addressFile]);
  const server = new AdminServer(context);
  await server.listen(LOOPBACK);
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

  t.test('rejects an address in use', async (t) => {
    const second = new AdminServer(context);
    await t.rejects(second.listen({ ...LOOPBACK, port }), { code: 'EADDRINUSE' });
    second.close();
  });

  t.test('listens on a unix socket, and leaves other files alone', async (t) => {
    const path = join(directory, 'a.sock');
    const own = new AdminServer(context);
    await own.listen({ kind: 'pipe', path, mode: 0o600 });
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
    const other = new AdminServer(context);
    await t.rejects(other.listen({ kind: 'pipe', path: file, mode: 0 }));
    t.equal(readFileSync(file, 'utf8'), 'keep');
    other.close();
  });

  t.test('closes at once, with clients still connected', async (t) => {
    const own = new AdminServer(context);
    await own.listen(LOOPBACK);
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
