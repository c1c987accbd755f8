// GrpcServer over TLS: what it leaves behind when it closes.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';

import { GrpcServer } from '../../xds-protos/grpc-server.ts';
import { TestCertificate } from '../support/test-certificates.ts';

const root = TestCertificate.root();
const leaf = root.issue({ commonName: 'server', names: [{ dns: 'localhost' }] });
const tls = { clientRootPem: root.pem, chainPem: leaf.pem, keyPem: leaf.keyPem };

const OPEN: readonly {
  readonly what: string;
  readonly open: (port: number) => Socket;
  readonly ready: string;
}[] = [
  {
    what: 'a connection that has not begun its handshake',
    open: (port) => connect(port, '127.0.0.1'),
    ready: 'connect',
  },
  {
    what: 'a connection that has ended it',
    open: (port) =>
      connectTls({
        port,
        host: '127.0.0.1',
        ca: root.pem,
        servername: 'localhost',
        ALPNProtocols: ['h2'],
      }),
    ready: 'secureConnect',
  },
];

for (const { what, open, ready } of OPEN) {
  t.test(`close() ends ${what}`, async (t) => {
    const server = new GrpcServer();
    const target = await server.listen('127.0.0.1:0', tls);
    t.match(target, /^127\.0\.0\.1:\d+$/);
    const socket = open(Number(target.split(':')[1]));
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, ready);
    // The server has accepted what came before: one more connection is one that it knows.
    const second = connect(Number(target.split(':')[1]), '127.0.0.1');
    await once(second, 'connect');
    second.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    socket.resume();
    server.close();
    await once(socket, 'close');
    t.pass('it is closed');
  });
}

t.test('an address that is taken is told', async (t) => {
  const first = new GrpcServer();
  const target = await first.listen('127.0.0.1:0', tls);
  t.teardown(() => first.close());
  const second = new GrpcServer();
  await t.rejects(second.listen(target, tls), { code: 'EADDRINUSE' });
});
