// Names of the mesh as an app in a pod finds them: pilot-agent with its DNS proxy and our proxy under the embedded control plane, asked
// over UDP while the configuration changes.
// @long
// @timeout 90 s
import { Resolver } from 'node:dns/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { startControlPlane } from '../../agent/control-plane/control-plane.ts';
import { realTime } from '../../proxy/base/clock.ts';
import { captureLog } from '../support/captured-log.ts';
import { eventually } from '../support/eventually.ts';
import { startLoneSidecar } from '../support/lone-sidecar.ts';
import { privateDir } from '../support/private-dir.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  clusterIP: 10.96.0.13
  ports: [{name: http, port: 9080}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: store}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: tcp, port: 5432}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: db-0, namespace: store, labels: {app: db}}
spec: {address: 10.244.0.9, labels: {app: db}}
`;

const external = (host: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host.replaceAll('.', '-')}, namespace: default}
spec:
  hosts: [${host}]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 5671, name: tcp-amqp, protocol: TCP}]
`;

t.test('A pod whose names are captured', async (t) => {
  const config = join(privateDir(t), 'config');
  mkdirSync(config);
  writeFileSync(join(config, 'services.yaml'), SERVICES);
  writeFileSync(join(config, 'external.yaml'), external('api.example.org'));
  const controlPlane = await startControlPlane(
    { configFolder: config, listen: '127.0.0.1:0', secure: undefined, defaultMtls: 'DISABLE' },
    captureLog().logger,
    realTime,
  );
  t.teardown(() => controlPlane.close());

  for (const delta of [true, false]) {
    await t.test(delta ? 'told by delta' : 'told by the state of the world', async (t) => {
      const dnsPort = await freePort();
      const sidecar = await startLoneSidecar(t, controlPlane.target!, {
        ISTIO_META_DNS_CAPTURE: 'true',
        ISTIO_META_DNS_AUTO_ALLOCATE: 'true',
        ISTIO_DELTA_XDS: String(delta),
        DNS_PROXY_ADDR: `127.0.0.1:${dnsPort}`,
      });
      const resolver = new Resolver({ timeout: 5000, tries: 2 });
      resolver.setServers([`127.0.0.1:${dnsPort}`]);
      const isReady = async (): Promise<boolean> =>
        (await ask(sidecar.readyPort, 'GET', '/healthz/ready').catch(() => undefined))?.status ===
        200;
      await eventually('it is ready', isReady, 60_000);

      t.strictSame(await resolver.resolve4('reviews'), ['10.96.0.13']);
      t.strictSame(await resolver.resolve4('reviews.default.svc.cluster.local'), ['10.96.0.13']);
      t.strictSame(await resolver.resolve4('db.store'), ['10.244.0.9'], 'headless: the pods');
      await t.rejects(resolver.resolve6('reviews'), { code: 'ENODATA' });
      // istiod's own choice for a host without an address (test/fixtures/istiod/12-tproxy-and-none).
      t.strictSame(await resolver.resolve4('api.example.org'), ['240.240.9.163']);

      const late = `late-${String(delta)}.example.org`;
      const isKnown = async (): Promise<boolean> =>
        (await ask(sidecar.statusPort, 'GET', '/debug/ndsz')).body.includes(late);
      t.notOk(await isKnown());
      writeFileSync(join(config, `${late}.yaml`), external(late));
      await eventually('what comes later is known', isKnown);
      const [address = ''] = await resolver.resolve4(late);
      t.match(address, /^240\.240\./);
      const { body } = await ask(sidecar.statusPort, 'GET', '/metrics');
      t.match(body, /^istio_agent_dns_requests_total [1-9]/m);
      t.match(body, /^envoy_server_live\{\} 1$/m, 'what the proxy says beside it');
    });
  }
});
