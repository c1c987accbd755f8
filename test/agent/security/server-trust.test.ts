// What a connection to the control plane is made with: roots and identity as files are, tokens from files and metadata servers.
import { join } from 'node:path';
import t from 'tap';

import { loadClientTls, readAuthorization } from '../../../agent/security/server-trust.ts';
import { NO_SYSTEM_ROOTS, systemBundle } from '../../../agent/security/system-roots.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { putFile } from '../../support/local-authority.ts';
import { privateDir } from '../../support/private-dir.ts';
import { TestAuthority } from '../../support/test-authority.ts';
import { serveHttp } from '../../support/test-http.ts';

t.test('the token', async (t) => {
  t.test('comes from the metadata server where CREDENTIAL_FETCHER_TYPE says so', async (t) => {
    const asked: string[] = [];
    const port = await serveHttp(t, (request, response) => {
      asked.push(`${request.url} ${request.headers['metadata-flavor']}`);
      response.end('a.b.c\n');
    });
    const variables = {
      CREDENTIAL_FETCHER_TYPE: 'GoogleComputeEngine',
      GCE_METADATA_HOST: `127.0.0.1:${port}`,
    };
    const { security } = await makeOptions({ variables });
    t.equal(await readAuthorization(security.token), 'Bearer a.b.c');
    t.match(asked[0], /identity\?audience=cluster.local&format=full Google$/);
  });

  t.test('is none where its file is not there, or no fetcher is asked for', async (t) => {
    const path = join(privateDir(t), 'token');
    t.equal(await readAuthorization({ kind: 'file', path }), undefined);
    const { security } = await makeOptions({ variables: { CREDENTIAL_FETCHER_TYPE: '' } });
    t.same(security.token, { kind: 'none' });
    t.equal(await readAuthorization(security.token), undefined);
  });

  t.test('that no header can carry is not told of in words', async (t) => {
    const path = putFile(join(privateDir(t), 'token'), 'half\nhalf');
    await t.rejects(readAuthorization({ kind: 'file', path }), {
      message: 'the token has characters that no header can carry',
    });
  });
});

t.test('roots', async (t) => {
  const dir = privateDir(t);
  const { rootPem } = new TestAuthority();
  const root = (file: string) => ({ kind: 'file', path: join(dir, file) }) as const;
  const trust = { identity: undefined, serverName: undefined };
  t.match(loadClientTls({ ...trust, roots: [root('a'), root('b')] }), {
    ok: false,
    reason: /root of the control plane: .*\/b: is not there$/,
  });
  putFile(join(dir, 'b'), rootPem);
  t.match(loadClientTls({ ...trust, roots: [root('a'), root('b')] }), { tls: { rootPem } });
  putFile(join(dir, 'a'), 'nothing');
  t.match(loadClientTls({ ...trust, roots: [root('a'), root('b')] }), {
    ok: false,
    reason: /\/a: holds no certificate$/,
  });
  t.match(
    loadClientTls({ ...trust, roots: [{ kind: 'system' }] }),
    systemBundle() === undefined
      ? { ok: false, reason: `root of the control plane: ${NO_SYSTEM_ROOTS}` }
      : { ok: true, tls: { rootPem: /-----BEGIN CERTIFICATE-----/ } },
  );

  const rows = [
    [{}, './var/run/secrets/istio/root-cert.pem'],
    [
      { PILOT_CERT_PROVIDER: 'kubernetes' },
      './var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
    ],
    [{ PILOT_CERT_PROVIDER: 'custom' }, './etc/certs/root-cert.pem'],
    [{ PILOT_CERT_PROVIDER: 'k8s.io/mine' }, './var/run/secrets/istio/root-cert.pem'],
    [{ CA_ROOT_CA: '/own.pem' }, '/own.pem'],
  ] as const;
  for (const [variables, path] of rows) {
    const { security } = await makeOptions({ variables });
    t.same(
      security.authority.trust?.roots.at(-1),
      { kind: 'file', path },
      JSON.stringify(variables),
    );
  }
  const { security } = await makeOptions({ variables: { CA_ROOT_CA: 'SYSTEM' } });
  t.same(security.authority.trust?.roots, [{ kind: 'system' }]);
});
