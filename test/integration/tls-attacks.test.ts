// Attack checklist, part D, what tls-identity, tls-upstream and tls-sidecar have no rows for: numbers as there.
// @long
import { connect as connectTcp, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';

import { caughtHello } from '../support/caught-hello.ts';
import { eventually } from '../support/eventually.ts';
import type { Teardowns } from '../support/private-dir.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  filterOf,
  httpListener,
} from '../support/proxy-process.ts';
import { TestSecretServer } from '../support/secret-server.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { ask } from '../support/test-http.ts';
import { attempt, caOf, certificateOf, downstreamTls } from '../support/tls-samples.ts';

type Json = { readonly [key: string]: unknown };

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2 = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

const ANSWER = [
  { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'in' } } },
];

function tlsListener(name: string, common: Json, more: Json = {}): Json {
  const base = httpListener(name, ANSWER);
  const [chain] = base['filter_chains'] as readonly Json[];
  return { ...base, filter_chains: [{ ...chain, transport_socket: downstreamTls(common, more) }] };
}

const secretFrom = (server: string, name: string): Json => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: server } }],
    },
    resource_api_version: 'V3',
  },
});

async function secretServer(t: Teardowns): Promise<{ server: TestSecretServer; port: number }> {
  const server = new TestSecretServer();
  t.teardown(() => server.close());
  const target = await server.listen('127.0.0.1:0');
  return { server, port: Number(target.split(':')[1]) };
}

/** Serial number of what the server shows, and the answer; '' where there was no handshake. */
async function serialOf(port: number): Promise<string> {
  const { socket, serial } = await handshake(port);
  socket.destroy();
  return serial;
}

function handshake(port: number): Promise<{ socket: ReturnType<typeof connect>; serial: string }> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () =>
      resolve({ socket, serial: socket.getPeerCertificate().serialNumber }),
    );
    socket.on('error', () => resolve({ socket, serial: '' }));
    socket.on('close', () => resolve({ socket, serial: '' }));
  });
}

/** Passes bytes on; of the client's, only the first chunk (its hello) before `release`. */
async function heldRelay(
  t: Teardowns,
  target: number,
): Promise<{ port: number; answered: Promise<void>; release(): void }> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let answered = (): void => {};
  const answer = new Promise<void>((resolve) => (answered = resolve));
  const sockets: Socket[] = [];
  const relay = createServer((client) => {
    const server = connectTcp({ host: '127.0.0.1', port: target });
    sockets.push(client, server);
    let sent = Promise.resolve();
    let first = true;
    client.on('data', (chunk: Buffer) => {
      if (!first) sent = sent.then(() => released);
      first = false;
      sent = sent.then(() => void server.write(chunk));
    });
    server.on('data', (chunk: Buffer) => {
      answered();
      client.write(chunk);
    });
    for (const socket of [client, server]) socket.on('error', () => {});
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  return { port: (relay.address() as { port: number }).port, answered: answer, release };
}

const authority = new TestAuthority();
const identity = (): ReturnType<TestAuthority['identity']> =>
  authority.identity('spiffe://cluster.local/ns/a/sa/b');

t.setTimeout(60_000);

t.test('65 a secret that changes within a handshake: it ends on what it began with', async (t) => {
  const { server, port: sds } = await secretServer(t);
  server.setIdentity('default', identity());
  const listener = tlsListener('one', {
    tls_certificate_sds_secret_configs: [secretFrom('sds', 'default')],
  });
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf([listener], [cluster('sds', [sds], HTTP2)]),
  );
  const port = proxy.port('one');
  const before = await serialOf(port);
  const relay = await heldRelay(t, port);
  const slow = handshake(relay.port);
  await relay.answered;
  server.setIdentity('default', identity());
  await eventually('new handshakes have the new one', async () => {
    const now = await serialOf(port);
    return now !== '' && now !== before;
  });
  relay.release();
  const { socket, serial } = await slow;
  t.equal(serial, before, 'the one that was under way has the old one');
  socket.write('GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n');
  const answer = await new Promise<string>((resolve) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
    socket.once('close', () => resolve(''));
  });
  t.match(answer, /^HTTP\/1\.1 200 /, 'and is served');
});

t.test('65 one name from two sources is two secrets', async (t) => {
  const [one, two] = [await secretServer(t), await secretServer(t)];
  one.server.setIdentity('default', identity());
  two.server.setIdentity('default', identity());
  const listeners = ['one', 'two'].map((name) =>
    tlsListener(name, { tls_certificate_sds_secret_configs: [secretFrom(name, 'default')] }),
  );
  const clusters = [cluster('one', [one.port], HTTP2), cluster('two', [two.port], HTTP2)];
  const proxy = await ProxyProcess.start(t, bootstrapOf(listeners, clusters));
  const serials = [await serialOf(proxy.port('one')), await serialOf(proxy.port('two'))];
  t.notOk(serials.includes(''));
  t.not(serials[0], serials[1]);
  one.server.setIdentity('default', identity());
  await eventually('the first rotates', async () => {
    const now = await serialOf(proxy.port('one'));
    return now !== '' && now !== serials[0];
  });
  t.equal(await serialOf(proxy.port('two')), serials[1], 'the second does not');
});

t.test('66 and 67', async (t) => {
  const root = TestCertificate.root();
  const common = {
    tls_certificates: [certificateOf(root.issue({ commonName: 'server' }))],
    validation_context: caOf(root),
  };
  const listener = tlsListener('guarded', common, { require_client_certificate: true });
  const proxy = await ProxyProcess.start(t, bootstrapOf([listener], []));
  const port = proxy.port('guarded');
  const good = root.issue({ commonName: 'good' });
  const serves = async (): Promise<string> =>
    (await attempt(port, { cert: good.pem, key: good.keyPem })).body;

  t.test('66 certificates with thousands of names end nothing', async (t) => {
    const names = Array.from({ length: 2_500 }, (_, i) => ({ dns: `n${i}.example.com` }));
    const fat = root.issue({ names, ca: true, commonName: 'fat' });
    const fatter = fat.issue({ names, ca: true, commonName: 'fatter' });
    const leaf = fatter.issue({ names });
    const shows = async (...chain: readonly TestCertificate[]): Promise<string> => {
      const cert = chain.map(({ pem }) => pem).join('');
      return (await attempt(port, { cert, key: chain[0]!.keyPem })).body;
    };
    t.equal(await shows(root.issue({ names: names.slice(0, 200) })), 'in', '200 are read');
    t.equal(await shows(root.issue({ names })), '', 'more than anybody has');
    t.equal(await shows(leaf, fatter, fat), '', 'more than 100 KB of them');
    t.equal(await serves(), 'in');
  });

  t.test('a client that is refused is told so, whatever the suite', async (t) => {
    const { pem, keyPem } = TestCertificate.root({ commonName: 'other' }).issue({});
    for (const ciphers of [
      'TLS_AES_128_GCM_SHA256',
      'TLS_AES_256_GCM_SHA384',
      'TLS_CHACHA20_POLY1305_SHA256',
    ]) {
      const { error } = await attempt(port, { cert: pem, key: keyPem, ciphers }, '');
      t.equal(error, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', ciphers);
    }
    t.equal(await serves(), 'in');
  });

  t.test('nothing else is ever sealed by the keys of the alert: tickets stay unsent', async (t) => {
    const { pem, keyPem } = TestCertificate.root({ commonName: 'other' }).issue({});
    for (let i = 0; i < 20; i++) {
      const relay = await recordingRelay(t, port);
      await attempt(relay.port, { cert: pem, key: keyPem, minVersion: 'TLSv1.3' }, '');
      const records = recordsOf(Buffer.concat(await relay.answer));
      t.same(records.at(-1), { type: 23, length: 19 }, 'an alert of two bytes ends it');
      t.equal(records.filter(({ type, length }) => type === 23 && length === 19).length, 1);
    }
  });

  t.test('67 a NUL within the server name', async (t) => {
    const hello = await caughtHello({ servername: 'a.b.example.com' });
    const at = hello.indexOf('a.b.example.com', 0, 'latin1');
    hello[at + 1] = 0;
    const first = await new Promise<number | undefined>((resolve) => {
      const socket = connectTcp({ host: '127.0.0.1', port }, () => socket.write(hello));
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes[0]);
        socket.destroy();
      });
      socket.on('error', () => resolve(undefined));
      socket.on('close', () => resolve(undefined));
    });
    t.not(first, 'H'.charCodeAt(0), 'no plaintext answer');
    t.equal(await serves(), 'in');
  });
});

/** Passes everything on; `answer`: all that the server said, once it has ended. */
async function recordingRelay(
  t: Test,
  port: number,
): Promise<{ readonly port: number; readonly answer: Promise<readonly Buffer[]> }> {
  const said: Buffer[] = [];
  let ended: (all: readonly Buffer[]) => void = () => {};
  const answer = new Promise<readonly Buffer[]>((resolve) => (ended = resolve));
  const relay = createServer((client) => {
    const server = connectTcp({ host: '127.0.0.1', port });
    for (const socket of [client, server]) socket.on('error', () => {});
    client.on('data', (bytes) => server.write(bytes));
    server.on('data', (bytes: Buffer) => {
      said.push(bytes);
      client.write(bytes);
    });
    server.on('close', () => {
      client.end();
      ended(said);
    });
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  t.teardown(() => relay.close());
  return { port: (relay.address() as { port: number }).port, answer };
}

function recordsOf(bytes: Buffer): { type: number; length: number }[] {
  const records: { type: number; length: number }[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 3);
    records.push({ type: bytes[at]!, length });
    at += 5 + length;
  }
  return records;
}

/** Not built: what it guards is refused whatever the request brings, so none of the ways around it is one. */
t.test('68 the JWT filter lets nothing by', async (t) => {
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const jwt = filterOf(
    'envoy.filters.http.jwt_authn',
    'filters.http.jwt_authn.v3.JwtAuthentication',
    {
      providers: {
        p: { issuer: 'i', local_jwks: { inline_string: '{"keys":[]}' }, forward: true },
      },
      rules: [
        {
          match: { prefix: '/' },
          requires: {
            requires_any: { requirements: [{ provider_name: 'p' }, { allow_missing: {} }] },
          },
        },
      ],
    },
  );
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf([httpListener('jwt', ANSWER, { httpFilters: [jwt] })], []),
  );
  const attempts: readonly Readonly<Record<string, string>>[] = [
    {},
    { authorization: `Bearer ${none}.e30.` },
    { authorization: 'Bearer a.b.c, Bearer d.e.f' },
  ];
  for (const headers of attempts) {
    const { status, body } = await ask(proxy.port('jwt'), 'GET', '/', headers);
    const answer = `${status} ${String(body)}`;
    t.match(answer, /^503 filter \S+ is not enforced by this proxy/, JSON.stringify(headers));
  }
});

t.test('69 OAuth2 is refused as configuration', async (t) => {
  const oauth = filterOf('envoy.filters.http.oauth2', 'filters.http.oauth2.v3.OAuth2');
  const bootstrap = bootstrapOf([httpListener('oauth', ANSWER, { httpFilters: [oauth] })], []);
  await t.rejects(ProxyProcess.start(t, bootstrap), /unknown type URL \S+OAuth2/);
});
