// The agent's secrets over real sockets: SDS towards the proxy, TLS towards an authority.
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { issueLeaf, issueRoot } from '../../../agent/control-plane/ca/certificate-issuer.ts';
import { readCertificateFacts } from '../../../agent/control-plane/ca/certificate-names.ts';
import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import type { SecurityOptions } from '../../../agent/security/security-options.ts';
import { SecretService } from '../../../agent/security/secret-service.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { GrpcThread } from '../../../proxy/grpc/grpc-thread.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { decode } from '../../../xds-protos/codec.ts';
import type { Secret } from '../../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import { GrpcServer } from '../../../xds-protos/grpc-server.ts';
import { connectSecrets, serveSecrets } from '../../support/secret-service.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { putFile, startLocalAuthority } from '../../support/local-authority.ts';
import type { LocalAuthority } from '../../support/local-authority.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';

const ISSUED = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';

interface Setup {
  readonly dir: string;
  readonly socket: string;
  readonly service: SecretService;
  readonly metrics: AgentMetrics;
  readonly lines: readonly string[];
  readonly sockets: { readonly credential: boolean; readonly files: boolean };
  readonly tokenFile: string;
}

interface SetupInputs {
  readonly authority?: LocalAuthority;
  readonly variables?: Readonly<Record<string, string>>;
  readonly security?: (dir: string) => Partial<SecurityOptions>;
  readonly dir?: string;
}

async function setUp(t: Teardowns, inputs: SetupInputs = {}): Promise<Setup> {
  const dir = inputs.dir ?? privateDir(t);
  const { authority } = inputs;
  const rootFile = join(dir, 'root.pem');
  const tokenFile = join(dir, 'token');
  if (authority !== undefined) {
    putFile(rootFile, authority.material.rootPem);
    putFile(tokenFile, authority.token());
  }
  const options = await makeOptions({
    variables: {
      SERVICE_ACCOUNT: 'bookinfo-reviews',
      OUTRIGGER_SDS_DIR: dir,
      XDS_ADDR: authority?.target ?? '127.0.0.1:1',
      CA_ROOT_CA: rootFile,
      ...inputs.variables,
    },
  });
  const log = captureLog();
  const metrics = new AgentMetrics();
  const own = { token: { kind: 'file', path: tokenFile }, mounted: [] } as const;
  const service = new SecretService({
    options: {
      ...options,
      paths: { ...options.paths, filesSocket: join(dir, 'files') },
      security: { ...options.security, ...own, ...inputs.security?.(dir) },
    },
    grpc: new GrpcThread(realTime),
    metrics,
    logger: log.logger,
    time: realTime,
    random: new SeededRandom(1),
  });
  t.teardown(() => service.close());
  const sockets = await service.start();
  return {
    dir,
    socket: options.paths.sdsSocket,
    service,
    metrics,
    lines: log.lines,
    sockets,
    tokenFile,
  };
}

interface Subscription {
  /** Newest last. */
  readonly secrets: Secret[];
  readonly ends: string[];
}

/** Asks as Envoy does: one stream, one name, every answer acknowledged. */
function subscribe(t: Teardowns, socket: string, name: string, delta = false): Subscription {
  const connection = connectSecrets(`unix:${socket}`);
  const secrets: Secret[] = [];
  const ends: string[] = [];
  const take = (bytes: Uint8Array | undefined): void => {
    if (bytes !== undefined)
      secrets.push(decode('envoy.extensions.transport_sockets.tls.v3.Secret', bytes));
  };
  if (delta) {
    const stream = connection.delta();
    stream.onMessage((response) => {
      for (const { resource } of response.resources ?? []) take(resource?.value);
      stream.send({ response_nonce: response.nonce });
    });
    stream.onEnd(({ reason }) => ends.push(reason));
    stream.send({ node: { id: 'x' }, resource_names_subscribe: [name] });
    t.teardown(() => stream.cancel());
  } else {
    const stream = connection.sotw();
    const names = { resource_names: [name] };
    stream.onMessage((response) => {
      for (const { value } of response.resources ?? []) take(value);
      stream.send({
        ...names,
        version_info: response.version_info,
        response_nonce: response.nonce,
      });
    });
    stream.onEnd(({ reason }) => ends.push(reason));
    stream.send({ node: { id: 'x' }, ...names });
    t.teardown(() => stream.cancel());
  }
  t.teardown(() => connection.close());
  return { secrets, ends };
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const chainOf = (secret: Secret | undefined): string =>
  text(secret?.tls_certificate?.certificate_chain?.inline_bytes);
const keyOf = (secret: Secret | undefined): string =>
  text(secret?.tls_certificate?.private_key?.inline_bytes);
const rootsOf = (secret: Secret | undefined): string =>
  text(secret?.validation_context?.trusted_ca?.inline_bytes);

/** A pair of files, signed by an authority of its own. */
function makePair(days = 1): {
  readonly chain: string;
  readonly key: string;
  readonly root: string;
} {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const validity = { notBeforeMs: now - 1000, notAfterMs: now + days * 86_400_000 };
  const root = issueRoot(authority, 'cluster.local', validity);
  const { subject } = readCertificateFacts(new X509Certificate(root).raw);
  const chain = issueLeaf(
    { key: authority.privateKey, subject, keyIdentifier: undefined },
    {
      spki: pair.publicKey.export({ type: 'spki', format: 'der' }),
      names: [{ kind: 'uri', value: ISSUED }],
    },
    validity,
  );
  return { chain, key: String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })), root };
}

t.test('the agent', async (t) => {
  const authority = await startLocalAuthority(t);

  for (const delta of [false, true]) {
    t.test(`gives identity and roots by ${delta ? 'delta' : 'state of the world'}`, async (t) => {
      const { socket, metrics } = await setUp(t, { authority });
      const identity = subscribe(t, socket, 'default', delta);
      const roots = subscribe(t, socket, 'ROOTCA', delta);
      await eventually('both came', () => identity.secrets.length + roots.secrets.length >= 2);
      const certificate = new X509Certificate(chainOf(identity.secrets[0]));
      t.strictSame(readCertificateFacts(certificate.raw).uris, [ISSUED]);
      t.match(keyOf(identity.secrets[0]), /^-----BEGIN RSA PRIVATE KEY-----/);
      t.equal(rootsOf(roots.secrets[0]), authority.material.rootPem);
      t.ok(certificate.verify(new X509Certificate(rootsOf(roots.secrets[0])).publicKey));
      t.equal(statSync(socket).mode & 0o777, 0o600, 'the socket is its owner’s alone');
      const scraped = await metrics.text();
      t.match(scraped, /istio_agent_cert_expiry_seconds\{resource_name="default"\} 86[34]\d\d/);
      t.match(scraped, /istio_agent_cert_expiry_seconds\{resource_name="ROOTCA"\} \d{9}/);
      t.match(scraped, /istio_agent_num_outgoing_requests\{request_type="csr"\} 1/);
    });
  }

  t.test('has an ECDSA key where it is asked for one', async (t) => {
    const variables = { ECC_SIGNATURE_ALGORITHM: 'ECDSA', PKCS8_KEY: 'true' };
    const { socket } = await setUp(t, { authority, variables });
    const identity = subscribe(t, socket, 'default');
    await eventually('it came', () => identity.secrets.length > 0);
    t.match(keyOf(identity.secrets[0]), /^-----BEGIN PRIVATE KEY-----/);
    t.equal(new X509Certificate(chainOf(identity.secrets[0])).publicKey.asymmetricKeyType, 'ec');
  });

  t.test('renews at the grace ratio, certificate and key together', async (t) => {
    const variables = { SECRET_TTL: '2s', ECC_SIGNATURE_ALGORITHM: 'ECDSA' };
    const { socket } = await setUp(t, { authority, variables });
    const identity = subscribe(t, socket, 'default');
    await eventually('three rotations', () => identity.secrets.length >= 3, 10_000);
    for (const secret of identity.secrets)
      t.ok(
        new X509Certificate(chainOf(secret)).checkPrivateKey(createPrivateKey(keyOf(secret))),
        'the key is of the certificate',
      );
    t.equal(
      new Set(identity.secrets.map(keyOf)).size,
      identity.secrets.length,
      'each has a new key',
    );
  });

  t.test('writes OUTPUT_CERTS for its owner alone', async (t) => {
    const outputDir = join(privateDir(t), 'out');
    await setUp(t, { authority, variables: { OUTPUT_CERTS: outputDir } });
    await eventually('files are there', () => existsSync(join(outputDir, 'root-cert.pem')));
    for (const file of ['key.pem', 'cert-chain.pem', 'root-cert.pem'])
      t.equal(statSync(join(outputDir, file)).mode & 0o777, 0o600, file);
    const certificate = new X509Certificate(readFileSync(join(outputDir, 'cert-chain.pem')));
    t.strictSame(readCertificateFacts(certificate.raw).uris, [ISSUED]);
  });

  t.test('takes a token that was replaced, and asks again until it is good', async (t) => {
    const setup = await setUp(t, { authority });
    const { socket, tokenFile, lines, metrics } = setup;
    putFile(tokenFile, '');
    const identity = subscribe(t, socket, 'default');
    const told = (words: RegExp) => (): boolean => lines.some((line) => words.test(line));
    await eventually(
      'what is missing',
      told(
        /status 16: request authenticate failure \(no token was shown, as .*\/token holds none\)/,
      ),
    );
    putFile(tokenFile, authority.token('bookinfo-reviews', Date.now() - 1000));
    await eventually('a refusal', told(/status 16: request authenticate failure; trying again/));
    t.equal(identity.secrets.length, 0);
    t.equal(identity.ends.length, 0, 'the proxy waits');
    putFile(tokenFile, authority.token());
    await eventually('the good token', () => identity.secrets.length === 1, 10_000);
    t.match(await metrics.text(), /num_failed_outgoing_requests\{request_type="csr"\} [1-9]/);
    t.notMatch(lines.join('\n'), new RegExp(authority.token().slice(0, 40)), 'no token in the log');
  });

  t.test('waits for an authority that is away', async (t) => {
    const caFolder = join(privateDir(t), 'ca');
    const first = await startLocalAuthority(t, { caFolder });
    const { socket, lines } = await setUp(t, { authority: first });
    first.close();
    const identity = subscribe(t, socket, 'default');
    await eventually(
      'two failures',
      () => lines.filter((line) => /gRPC status 14/.test(line)).length >= 2,
      10_000,
    );
    t.equal(identity.ends.length, 0);
    await startLocalAuthority(t, { caFolder, listen: first.target });
    await eventually('the authority is back', () => identity.secrets.length === 1, 15_000);
    t.pass('and has its certificate when it is back');
  });

  t.test('shows no token to a server that is not the authority', async (t) => {
    const other = await startLocalAuthority(t);
    const { socket, lines } = await setUp(t, {
      authority,
      variables: { CA_ADDR: other.target },
    });
    subscribe(t, socket, 'default');
    await eventually('a failure', () => lines.some((line) => /no workload certificate/.test(line)));
    t.notMatch(lines.join('\n'), /status 16/, 'it never got so far as to be refused');
    t.strictSame(
      other.lines.filter((line) => /certificate for/.test(line)),
      [],
    );
  });

  t.test('adds the roots that istiod tells of, and gets a new certificate', async (t) => {
    const { socket, service } = await setUp(t, { authority });
    const identity = subscribe(t, socket, 'default');
    const roots = subscribe(t, socket, 'ROOTCA');
    await eventually('both came', () => identity.secrets.length + roots.secrets.length >= 2);
    const extra = makePair().root;
    service.setTrustBundle([extra]);
    await eventually('the renewal', () => identity.secrets.length >= 2);
    t.equal(rootsOf(roots.secrets.at(-1)), authority.material.rootPem + extra);
    t.not(keyOf(identity.secrets[1]), keyOf(identity.secrets[0]));
  });
});

t.test('secrets in files', async (t) => {
  t.test('follow their files, as a pair', async (t) => {
    const { dir, socket, lines } = await setUp(t);
    const [chain, key] = [join(dir, 'tls.crt'), join(dir, 'tls.key')];
    const first = makePair();
    putFile(chain, first.chain);
    putFile(key, first.key);
    const identity = subscribe(t, socket, `file-cert:${chain}~${key}`);
    await eventually('it came', () => identity.secrets.length === 1);
    t.equal(chainOf(identity.secrets[0]), first.chain);
    const second = makePair();
    writeFileSync(chain, second.chain);
    await eventually('the refusal', () =>
      lines.some((line) => /not of the key; what was read before/.test(line)),
    );
    t.equal(identity.secrets.length, 1, 'half of a pair goes nowhere');
    writeFileSync(key, second.key);
    await eventually('the second pair', () => identity.secrets.length === 2, 10_000);
    t.equal(keyOf(identity.secrets[1]), second.key);
    t.notMatch(lines.join('\n'), /BEGIN/, 'no material in the log');
  });

  t.test('follow the swap of a mounted folder', async (t) => {
    const { dir, socket } = await setUp(t);
    const [one, two] = [makePair(), makePair()];
    for (const [name, pair] of [
      ['..1', one],
      ['..2', two],
    ] as const) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, 'ca.crt'), pair.root);
    }
    symlinkSync('..1', join(dir, '..data'));
    symlinkSync('..data/ca.crt', join(dir, 'ca.crt'));
    const roots = subscribe(t, socket, `file-root:${join(dir, 'ca.crt')}`);
    await eventually('it came', () => roots.secrets.length === 1);
    t.equal(rootsOf(roots.secrets[0]), one.root);
    symlinkSync('..2', join(dir, '..tmp'));
    renameSync(join(dir, '..tmp'), join(dir, '..data'));
    await eventually('the swapped folder', () => roots.secrets.length === 2, 10_000);
    t.equal(rootsOf(roots.secrets[1]), two.root);
  });

  t.test('stand for the workload’s own where they are mounted', async (t) => {
    const pair = makePair();
    const { socket } = await setUp(t, {
      security: (dir) => ({
        onlyMounted: true,
        mounted: [
          {
            chain: putFile(join(dir, 'm/cert-chain.pem'), pair.chain),
            key: putFile(join(dir, 'm/key.pem'), pair.key),
            root: putFile(join(dir, 'm/root-cert.pem'), pair.root),
          },
        ],
      }),
    });
    const identity = subscribe(t, socket, 'default');
    const roots = subscribe(t, socket, 'ROOTCA');
    await eventually('both came', () => identity.secrets.length + roots.secrets.length === 2);
    t.equal(chainOf(identity.secrets[0]), pair.chain);
    t.equal(rootsOf(roots.secrets[0]), pair.root);
  });

  t.test('that cannot be had end the stream in words', async (t) => {
    const { dir, socket } = await setUp(t, { security: () => ({ onlyMounted: true }) });
    const notPem = putFile(join(dir, 'secret.txt'), 'the password');
    for (const [name, reason] of [
      ['file-root:/no/such/file', /\/no\/such\/file: is not there/],
      [`file-root:${notPem}`, /holds no certificate$/],
      ['file-cert:only-one', /must be file-cert:<certificate>~<key>/],
      ['kubernetes://x', /there is no secret of that name/],
      ['default', /FILE_MOUNTED_CERTS, and no file is mounted/],
    ] as const) {
      const { ends, secrets } = subscribe(t, socket, name);
      await eventually('the end', () => ends.length === 1);
      t.match(ends[0], reason, name);
      t.equal(secrets.length, 0);
    }
  });
});

t.test('a socket of a foreign server', async (t) => {
  t.test('is used, not served', async (t) => {
    const dir = privateDir(t);
    const foreign = new GrpcServer();
    serveSecrets(foreign, { sotw: (stream) => stream.end(), delta: (stream) => stream.end() });
    await foreign.listen(`unix:${join(dir, 'socket')}`);
    t.teardown(() => foreign.close());
    const { sockets, lines } = await setUp(t, { dir });
    t.strictSame(sockets, { credential: false, files: true });
    t.match(lines.join('\n'), /is served already: only secrets in files are served here/);
    const pair = makePair();
    const roots = subscribe(
      t,
      join(dir, 'files'),
      `file-root:${putFile(join(dir, 'ca.crt'), pair.root)}`,
    );
    await eventually('files are served', () => roots.secrets.length === 1);
    const own = subscribe(t, join(dir, 'files'), 'default');
    await eventually('the refusal', () => own.ends.length === 1);
    t.match(own.ends[0], /only secrets in files are served here/);
  });

  t.test('that was named and does not answer ends the start', async (t) => {
    await t.rejects(setUp(t, { variables: { WORKLOAD_IDENTITY_SOCKET_FILE: 'spire' } }), {
      message: /WORKLOAD_IDENTITY_SOCKET_FILE names .*spire, and nobody serves secrets there/,
    });
  });
});
