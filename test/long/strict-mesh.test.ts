// [m] Two pods with our agents and STRICT mTLS: the right identity gets in, everybody else stays out, each with its stat.
// @long
// @timeout 120 s
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';

import { issueLeaf } from '../../agent/control-plane/ca/certificate-issuer.ts';
import type { Issuer } from '../../agent/control-plane/ca/certificate-issuer.ts';
import type { SubjectName } from '../../agent/security/x509-parts.ts';
import { eventually } from '../support/eventually.ts';
import { loadOnce, startSidecarMesh } from '../support/sidecar-mesh.ts';
import { TestAuthority } from '../support/test-authority.ts';
import type { TestIdentity } from '../support/test-authority.ts';

t.setTimeout(110_000);

const PORT = 9080;
const SNI = 'outbound_.9080_._.reviews.default.svc.cluster.local';
const CALLER = 'spiffe://cluster.local/ns/default/sa/caller';
const DAY_MS = 86_400_000;
const REQUEST = 'GET / HTTP/1.1\r\nhost: reviews:9080\r\nconnection: close\r\n\r\n';

interface Life {
  readonly fromMs?: number;
  readonly untilMs?: number;
}

function identityBy(issuer: Issuer, names: readonly SubjectName[], life: Life = {}): TestIdentity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const chainPem = issueLeaf(
    issuer,
    { spki, names },
    {
      notBeforeMs: life.fromMs ?? now - 60_000,
      notAfterMs: life.untilMs ?? now + DAY_MS,
    },
  );
  return { chainPem, keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}

/** First line of the answer; '' where the connection ended without one. */
function askTls(address: string, identity: TestIdentity | undefined): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTls({
      host: address,
      port: PORT,
      servername: SNI,
      ALPNProtocols: ['istio-http/1.1'],
      rejectUnauthorized: false,
      ...(identity === undefined ? {} : { cert: identity.chainPem, key: identity.keyPem }),
    });
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text.split('\r\n', 1)[0]!));
    socket.write(REQUEST);
  });
}

function askPlain(address: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTcp(PORT, address);
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text.split('\r\n', 1)[0]!));
    socket.write(REQUEST);
  });
}

t.test('STRICT mTLS between two pods', { skip: process.platform !== 'linux' }, async (t) => {
  const mesh = await startSidecarMesh(t, {});
  const { serverAddress: server, authority } = mesh;
  const issuer = authority!.issuer;
  const uri = (value: string): SubjectName => ({ kind: 'uri', value });

  t.test(
    'lets the caller through, by mTLS to a sidecar and in plaintext to a pod without',
    async (t) => {
      const bodies = new Set<string>();
      await eventually('both versions answer', async () => {
        const { status, body } = await loadOnce(mesh.serviceAddress);
        if (status === 200) bodies.add(body);
        return bodies.has('v1') && bodies.has('v2');
      });
      t.match(await askTls(server, identityBy(issuer, [uri(CALLER)])), /^HTTP\/1\.1 200 /);
    },
  );

  const stat = async (name: string): Promise<number> => {
    const url = `http://${server}:15000/stats?filter=${name}`;
    const lines = (await (await fetch(url)).text()).split('\n');
    return lines.reduce((sum, line) => sum + Number(/: ([0-9]+)$/.exec(line)?.[1] ?? 0), 0);
  };
  const stranger = new TestAuthority();
  const rows: readonly (readonly [string, () => Promise<string>, string])[] = [
    [
      'another trust domain under the same root',
      () => askTls(server, identityBy(issuer, [uri('spiffe://other.domain/ns/default/sa/caller')])),
      'ssl.fail_verify_san',
    ],
    [
      'the name in another type of SAN',
      () => askTls(server, identityBy(issuer, [{ kind: 'dns', value: 'cluster.local' }])),
      'ssl.fail_verify_san',
    ],
    [
      'a trust domain that only begins alike',
      () => askTls(server, identityBy(issuer, [uri('spiffe://cluster.local.evil/ns/a/sa/b')])),
      'ssl.fail_verify_san',
    ],
    [
      'an expired certificate',
      () =>
        askTls(
          server,
          identityBy(issuer, [uri(CALLER)], {
            fromMs: Date.now() - 2 * DAY_MS,
            untilMs: Date.now() - DAY_MS,
          }),
        ),
      'ssl.fail_verify_error',
    ],
    [
      'a certificate that is not valid yet',
      () => askTls(server, identityBy(issuer, [uri(CALLER)], { fromMs: Date.now() + DAY_MS / 2 })),
      'ssl.fail_verify_error',
    ],
    [
      'another authority, whatever it says',
      () => askTls(server, stranger.identity(CALLER)),
      'ssl.fail_verify_error',
    ],
    ['no certificate', () => askTls(server, undefined), 'ssl.fail_verify_no_cert'],
  ];
  for (const [name, ask, counter] of rows) {
    t.test(`keeps out ${name}`, async (t) => {
      const before = await stat(counter);
      t.equal(await ask(), '');
      await eventually(counter, async () => (await stat(counter)) === before + 1);
    });
  }

  t.test('keeps plaintext out', async (t) => {
    t.equal(await askPlain(server), '');
    t.equal(await askPlain(server), '');
  });

  t.test('shows no secret in dumps and logs', async (t) => {
    for (const { output } of [mesh.caller, mesh.server])
      t.notMatch(output(), /PRIVATE KEY|eyJ[A-Za-z0-9_-]{20}/, 'neither key nor token');
    for (const path of ['/config_dump?include_eds', '/stats', '/certs', '/clusters?format=json']) {
      const text = await (await fetch(`http://${server}:15000${path}`)).text();
      t.notMatch(text, /PRIVATE KEY|LS0tLS1CRUdJTiBQUklWQVRF|LS0tLS1CRUdJTiBFQyBQUklWQVRF/, path);
    }
  });
});
