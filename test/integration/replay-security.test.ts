// [m] What istiod sent in 04-security, with real certificates: the client's modes by DestinationRule, the
// server's STRICT and PERMISSIVE, and guards that are not built and refuse. Root only.
// @long
// @timeout 120 s
import t from 'tap';

import { netnsUnavailableReason } from '../support/netns.ts';
import type { ClientWork } from '../support/replay-client.ts';
import { startReplayMesh } from '../support/replay-mesh.ts';
import { TestAuthority } from '../support/test-authority.ts';

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

  t.test('reviews lets in whom the mesh knows, and no farther than its guards', async (t) => {
    const ports = [9080, 8081, 7000];
    const mesh = await startReplayMesh(t, '04-security/reviews-v1', {
      ownAddress: pod(14),
      endpoints: [11, 12, 13, 15, 16].map(pod),
      ports,
    });
    const certificateOf = (spiffe: string, authority = mesh.authority): ClientWork['tls'] => {
      const { chainPem, keyPem } = authority.identity(spiffe);
      return { cert: chainPem, key: keyPem };
    };
    const productpage = certificateOf(OWN_NAME.slice('URI:'.length));
    const ask = (port: number, tls?: ClientWork['tls']): ClientWork => ({
      host: pod(14),
      port,
      path: '/reviews/1',
      headers: { host: `reviews:${port}` },
      ...(tls !== undefined && { tls }),
    });
    const guarded = /^503 filter \S+ is not enforced by this proxy/;
    const out = /^0 /;
    const rows: readonly (readonly [what: string, work: ClientWork, answer: RegExp])[] = [
      ['STRICT, as productpage', ask(9080, productpage), guarded],
      ['STRICT, without a certificate', ask(9080, {}), out],
      ['STRICT, plaintext', ask(9080), out],
      [
        'STRICT, of another trust domain',
        ask(9080, certificateOf('spiffe://evil/ns/default/sa/bookinfo-productpage')),
        out,
      ],
      [
        'STRICT, by another authority',
        ask(9080, certificateOf(OWN_NAME.slice('URI:'.length), new TestAuthority())),
        out,
      ],
      ['PERMISSIVE, plaintext', ask(8081), guarded],
      ['PERMISSIVE, as productpage', ask(8081, productpage), guarded],
      ['STRICT TCP behind a network guard, as productpage', ask(7000, productpage), out],
      ['STRICT TCP, plaintext', ask(7000), out],
    ];
    const answers = await mesh.askFromOutside(rows.map(([, work]) => work));
    for (const [index, [what, , answer]] of rows.entries()) {
      const [{ status, body = '' } = { status: -1 }] = answers[index]!;
      t.match(`${status} ${body}`, answer, what);
    }
    t.same(
      mesh.upstreamLines.filter((line) => line.includes('/reviews/1')),
      [],
      'nothing reached the application',
    );
    t.same(mesh.proxy.secrets.server.lines, [], 'no secret was refused');
  });
});
if (skip !== false) t.comment(`SKIPPED, root only: 04-security (${skip})`);
