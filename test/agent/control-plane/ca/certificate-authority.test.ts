// The embedded authority: what it signs as openssl sees it, for whom, and what it keeps on disk.
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { openCaFolder } from '../../../../agent/control-plane/ca/ca-folder.ts';
import { CertificateAuthority } from '../../../../agent/control-plane/ca/certificate-authority.ts';
import { readCertificateFacts } from '../../../../agent/control-plane/ca/certificate-names.ts';
import { signToken } from '../../../../agent/control-plane/ca/service-account-token.ts';
import { createCertificateRequest } from '../../../../agent/security/certificate-request.ts';
import { generateWorkloadKey } from '../../../../agent/security/key-pair.ts';
import { realTime } from '../../../../proxy/base/clock.ts';
import { captureLog } from '../../../support/captured-log.ts';
import { privateDir } from '../../../support/private-dir.ts';
import type { Teardowns } from '../../../support/private-dir.ts';

const REVIEWS = { namespace: 'default', name: 'bookinfo-reviews' };
const SPIFFE = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';
const DAY_MS = 86_400_000;

function authorityIn(folder: string) {
  const log = captureLog();
  const material = openCaFolder(folder, 'cluster.local', Date.now());
  const authority = new CertificateAuthority({
    material,
    trustDomain: () => 'cluster.local',
    logger: log.logger,
    time: realTime,
  });
  return { authority, material, log };
}

const setUp = (t: Teardowns) => authorityIn(join(privateDir(t), 'ca'));

type Material = ReturnType<typeof openCaFolder>;

const bearer = (material: Material, untilMs = Date.now() + DAY_MS): ReadonlyMap<string, string> =>
  new Map([
    [
      'authorization',
      `Bearer ${signToken(REVIEWS, material.tokenKey, { fromMs: Date.now() - DAY_MS, untilMs })}`,
    ],
  ]);

async function csr(name = 'spiffe://cluster.local/ns/other/sa/somebody-else'): Promise<string> {
  const options = { algorithm: 'RSA', rsaBits: 2048, curve: 'P256', pkcs8: false } as const;
  return createCertificateRequest(name, await generateWorkloadKey(options));
}

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

t.test('CertificateAuthority', async (t) => {
  const request = await csr();

  t.test('certifies the name that the caller proved, whatever was asked for', (t) => {
    const { authority, material } = setUp(t);
    const caller = { headers: bearer(material), certificate: undefined };
    const answer = authority.create({ csr: request, validity_duration: 3600n }, caller);
    if (!answer.ok) throw new Error(answer.status.reason);
    const [leafPem, rootPem, more] = answer.chain;
    t.equal(more, undefined, 'leaf and root');
    const leaf = new X509Certificate(leafPem!);
    t.strictSame(readCertificateFacts(leaf.raw).uris, [SPIFFE]);
    t.ok(leaf.verify(new X509Certificate(rootPem!).publicKey), 'the root has signed it');
    const lifeS = (Date.parse(leaf.validTo) - Date.now()) / 1000;
    t.ok(Math.abs(lifeS - 3600) < 60, `lives as long as asked: ${lifeS} s`);
    t.notOk(leaf.ca, 'is no authority');

    // A certificate of ours is as good as a token.
    const again = authority.create({ csr: request }, { headers: new Map(), certificate: leaf.raw });
    t.ok(again.ok, 'the certificate gets a new one');
    t.end();
  });

  t.test('refuses', async (t) => {
    const { authority, material } = setUp(t);
    const other = setUp(t);
    const good = bearer(material);
    const [head, claims, signature] = good.get('authorization')!.split('.') as [
      string,
      string,
      string,
    ];
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    const tampered = request.replace(
      /^(.{200})./s,
      (all, kept: string) => kept + (all.endsWith('A') ? 'B' : 'A'),
    );
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const rows: readonly [string, ReadonlyMap<string, string>, string, RegExp][] = [
      ['no token', new Map(), request, /authenticate failure/],
      ['a token of another authority', bearer(other.material), request, /authenticate failure/],
      [
        'a token past its end',
        bearer(material, Date.now() - 1000),
        request,
        /authenticate failure/,
      ],
      [
        'a token without algorithm',
        new Map([['authorization', `Bearer ${none}.${claims}.`]]),
        request,
        /authenticate failure/,
      ],
      [
        'a token with a cut signature',
        new Map([['authorization', `${head}.${claims}.${signature.slice(0, 20)}`]]),
        request,
        /authenticate failure/,
      ],
      [
        'other claims under the same signature',
        new Map([['authorization', `${head}.${claims.slice(0, -4)}AAAA.${signature}`]]),
        request,
        /authenticate failure/,
      ],
      ['no request', good, '', /is no PEM block/],
      ['a request that was changed', good, tampered, /./],
      ['a weak key', good, createCertificateRequest(SPIFFE, small), /key that is not taken/],
    ];
    for (const [what, headers, csrText, reason] of rows) {
      const answer = authority.create({ csr: csrText }, { headers, certificate: undefined });
      t.notOk(answer.ok, what);
      if (!answer.ok) t.match(answer.status.reason, reason, `${what}: ${answer.status.reason}`);
    }
    const long = authority.create(
      { csr: request, validity_duration: BigInt(91 * 86_400) },
      { headers: good, certificate: undefined },
    );
    t.match(long, { ok: false, status: { code: 3 } }, 'a life that is too long');
    t.end();
  });

  t.test('is taken by openssl', { skip: hasOpenssl ? false : 'no openssl here' }, (t) => {
    const { authority, material } = setUp(t);
    const answer = authority.create(
      { csr: request },
      { headers: bearer(material), certificate: undefined },
    );
    if (!answer.ok) throw new Error(answer.status.reason);
    const dir = privateDir(t);
    writeFileSync(join(dir, 'leaf.pem'), answer.chain[0]!);
    writeFileSync(join(dir, 'root.pem'), answer.chain[1]!);
    const run = (...args: readonly string[]): string =>
      execFileSync('openssl', args, { cwd: dir, encoding: 'utf8' });
    const purposes = ['sslserver', 'sslclient'];
    for (const purpose of purposes)
      t.match(
        run('verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'root.pem', 'leaf.pem'),
        /OK/,
        purpose,
      );
    const text = run('x509', '-in', 'leaf.pem', '-noout', '-text');
    t.match(text, /Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster.local\/ns\/default/);
    t.match(text, /CA:FALSE/);
    t.match(text, /Digital Signature, Key Encipherment/);
    t.end();
  });
  t.end();
});

t.test('the folder of the authority', (t) => {
  t.test('keeps keys for their owner alone, and is found again', (t) => {
    const folder = join(privateDir(t), 'ca');
    const first = authorityIn(folder).material;
    t.equal(statSync(folder).mode & 0o777, 0o700);
    for (const key of ['ca-key.pem', 'token-key.pem'])
      t.equal(statSync(join(folder, key)).mode & 0o777, 0o600, key);
    const again = authorityIn(folder).material;
    t.equal(again.rootPem, first.rootPem);
    t.end();
  });

  t.test('with a key that others can read is refused', (t) => {
    for (const [what, mode, remedy] of [
      ['ca-key.pem', 0o640, 'chmod 600'],
      ['.', 0o755, 'chmod 700'],
    ] as const) {
      const folder = join(privateDir(t), 'ca');
      authorityIn(folder);
      chmodSync(join(folder, what), mode);
      t.throws(() => authorityIn(folder), new RegExp(`others may read it.*${remedy}`), what);
      rmSync(folder, { recursive: true });
    }
    t.end();
  });

  t.test('with a broken key tells the file and nothing of its content', (t) => {
    const folder = join(privateDir(t), 'ca');
    authorityIn(folder);
    const key = join(folder, 'ca-key.pem');
    writeFileSync(key, readFileSync(key, 'utf8').slice(40));
    t.throws(() => authorityIn(folder), { message: `${key}: is no private key in PEM` });
    t.end();
  });
  t.end();
});
