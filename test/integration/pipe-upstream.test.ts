// Hosts behind unix sockets, HTTP and TCP.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import {
  ProxyProcess,
  bootstrapOf,
  httpListener,
  tcpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { ask } from '../support/test-http.ts';

t.test('hosts behind unix sockets', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'pipe-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'up.sock');
  const server = createServer((_request, response) => void response.end('by pipe'));
  await new Promise<void>((done) => server.listen(path, done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const cluster = {
    name: 'up',
    type: 'STATIC',
    load_assignment: {
      cluster_name: 'up',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
  };
  const listeners = [httpListener('http', [toCluster('up')]), tcpListener('tcp', 'up')];
  const proxy = await ProxyProcess.start(t, bootstrapOf(listeners, [cluster]));
  for (const listener of ['http', 'tcp']) {
    const reply = await ask(proxy.port(listener), 'GET', '/');
    t.equal(reply.status, 200, listener);
    t.equal(reply.body, 'by pipe', listener);
  }
  const clusters = await ask(proxy.adminPort, 'GET', '/clusters');
  t.match(clusters.body, `up::${path}::rq_success::1`);
});
