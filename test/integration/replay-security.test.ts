// [m] What istiod sent in 04-security, with real certificates: the client's modes by DestinationRule, the server's STRICT. Root only.
// @long
// @timeout 120 s
import t from 'tap';

import { netnsUnavailableReason } from '../support/netns.ts';
import type { ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';

t.setTimeout(110_000);

const pod = (number: number): string => `10.244.0.${number}`;
const endpoints = [12, 13, 14, 15, 16].map(pod);
const OWN_NAME = 'URI:spiffe://cluster.local/ns/default/sa/bookinfo-productpage';

const callOf = (service: string, address: string): ClientWork => ({
  host: address,
  port: 9080,
  path: '/',
  headers: { host: `${service}:9080` },
  count: 6,
});

const skip = netnsUnavailableReason() ?? false;

t.test('04-security', { skip }, async (t) => {
  t.test('productpage calls each service as its rule says', async (t) => {
    const options = { ownAddress: pod(11), endpoints, ports: [9080] };
    const mesh = await startReplayMesh(t, '04-security/productpage', options);
    const rows = [
      ['details', '10.96.0.11', OWN_NAME, 'ISTIO_MUTUAL'],
      ['ratings', '10.96.0.12', undefined, 'DISABLE'],
      ['reviews', '10.96.0.13', OWN_NAME, 'auto mTLS'],
    ] as const;
    const answers = await mesh.ask(rows.map(([service, address]) => callOf(service, address)));
    for (const [index, [service, , client, why]] of rows.entries()) {
      const seen = new Set(answers[index]!.map((answer) => `${answer.status} ${answer.client}`));
      t.same([...seen], [`200 ${client}`], `${service}: ${why}`);
    }
    const outside = await mesh.askFromOutside([
      { host: pod(11), port: 9080, path: '/', headers: { host: 'productpage:9080' } },
    ]);
    t.match(outside[0], [{ status: 0 }], 'STRICT: nobody gets in without a certificate');
    t.same(mesh.proxy.secrets.server.lines, [], 'no secret was refused');
  });
});
if (skip !== false) t.comment(`SKIPPED, root only: 04-security (${skip})`);
