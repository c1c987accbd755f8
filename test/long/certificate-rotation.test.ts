// Two sidecars with STRICT mTLS under load for a minute, while both get a new certificate every second: no request fails.
// @long
// @timeout 180 s
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { Load, startSidecarMesh } from '../support/sidecar-mesh.ts';

const MINUTE_MS = 60_000;

t.setTimeout(170_000);

t.test('rotation every second', { skip: process.platform !== 'linux' }, async (t) => {
  const mesh = await startSidecarMesh(t, { certificateLife: '2s', requestsPerConnection: 20 });
  mesh.write('routing.yaml', onlyV1);
  const load = new Load(mesh.serviceAddress);
  await eventually('v1 alone answers', async () => {
    const answers = await load.next(20);
    return answers.every(({ status, body }) => status === 200 && body === 'v1');
  });
  const from = load.answers.length;
  await new Promise((resolve) => setTimeout(resolve, MINUTE_MS));
  const answers = (await load.stop()).slice(from);
  const failed = answers.filter(({ status, body }) => status !== 200 || body !== 'v1');
  t.same(failed.slice(0, 3), [], `${failed.length} of ${answers.length} requests failed`);
  t.ok(answers.length > 1000, `${answers.length} requests`);
  const admin = `http://${mesh.serverAddress}:15000`;
  const stats = await (await fetch(`${admin}/stats?filter=ssl.handshake|sds.default`)).text();
  t.comment(stats);
  const handshakes = Number(/ssl\.handshake: ([0-9]+)/.exec(stats)?.[1] ?? 0);
  t.ok(handshakes > answers.length / 25, `${handshakes} handshakes`);
  for (const [name, sidecar] of [
    ['caller', mesh.caller],
    ['server', mesh.server],
  ] as const) {
    const renewals = sidecar.output().match(/workload certificate renewed/g)?.length ?? 0;
    t.ok(renewals > 40, `${name} had ${renewals} new certificates`);
    t.notMatch(sidecar.output(), /BEGIN [A-Z ]*PRIVATE KEY/, 'no key in a log');
  }
});

const onlyV1 = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 100}
`;
