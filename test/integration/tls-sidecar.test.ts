// TLS as a sidecar sees it: PERMISSIVE and STRICT chains, hellos however they are cut, sessions and trust, the client's
// certificate as a header. Numbers in names: attack checklist, part D.
// @long
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { caughtHello } from '../support/caught-hello.ts';
import { privateDir } from '../support/private-dir.ts';
import type { Teardowns } from '../support/private-dir.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  filterOf,
  httpListener,
  tcpProxy,
  toCluster,
} from '../support/proxy-process.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { serveHttp } from '../support/test-http.ts';
import {
  attempt,
  caOf,
  certificateOf,
  downstreamTls,
  plainAttempt,
  san,
} from '../support/tls-samples.ts';
import type { Attempt } from '../support/tls-samples.ts';

type Json = { readonly [key: string]: unknown };

const root = TestCertificate.root();
const identity = (name: string): TestCertificate =>
  root.issue({
    commonName: name,
    names: [{ uri: `spiffe://td/ns/a/sa/${name}` }, { dns: `${name}.a` }],
  });
const server = identity('srv');
const client = identity('cli');
const mesh: Json = {
  tls_certificates: [certificateOf(server)],
  validation_context: {
    ...caOf(root),
    match_typed_subject_alt_names: [san('URI', { prefix: 'spiffe://td/' })],
  },
};
const withCert = { cert: client.pem, key: client.keyPem };

const INSPECTORS = [
  filterOf(
    'envoy.filters.listener.tls_inspector',
    'filters.listener.tls_inspector.v3.TlsInspector',
  ),
  filterOf(
    'envoy.filters.listener.http_inspector',
    'filters.listener.http_inspector.v3.HttpInspector',
  ),
];

/** The network filters of an HTTP chain that answers with `text`. */
function answering(text: string, hcm: Json = {}): readonly Json[] {
  const listener = httpListener('x', [], {
    hcm: { stat_prefix: text, ...hcm },
    virtualHost: {
      routes: [
        { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: text } } },
      ],
    },
  });
  return (listener['filter_chains'] as readonly { readonly filters: readonly Json[] }[])[0]!
    .filters;
}

const chain = (match: Json, filters: readonly Json[], common?: Json): Json => ({
  filter_chain_match: match,
  filters,
  ...(common !== undefined && {
    transport_socket: downstreamTls({ ...mesh, ...common }, { require_client_certificate: true }),
  }),
});

const MTLS = ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const listener = (name: string, chains: readonly Json[]): Json => ({
  ...httpListener(name, []),
  stat_prefix: name,
  listener_filters: INSPECTORS,
  listener_filters_timeout: '5s',
  filter_chains: chains.map((entry, index) => ({ name: `${name}${index}`, ...entry })),
});

/** As istiod writes them for an HTTP port (istio-contract §2.4), and for one of unknown protocol. */
const permissive = listener('permissive', [
  chain({ transport_protocol: 'tls', application_protocols: MTLS }, answering('mtls'), {
    alpn_protocols: ['h2', 'http/1.1'],
  }),
  chain({ transport_protocol: 'raw_buffer' }, answering('plain')),
]);
const auto = listener('auto', [
  chain(
    {
      transport_protocol: 'tls',
      application_protocols: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
    },
    answering('mtls-http'),
    { alpn_protocols: ['h2', 'http/1.1'] },
  ),
  chain(
    { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
    answering('plain-http'),
  ),
  chain(
    { transport_protocol: 'tls', application_protocols: ['istio-peer-exchange', 'istio'] },
    [tcpProxy('app')],
    { alpn_protocols: ['istio-peer-exchange', 'h2', 'http/1.1'] },
  ),
  chain({ transport_protocol: 'raw_buffer' }, [tcpProxy('app')]),
  chain({ transport_protocol: 'tls' }, [tcpProxy('tls-app')]),
]);
const strict = listener('strict', [
  chain({ transport_protocol: 'tls' }, answering('strict'), { alpn_protocols: ['h2', 'http/1.1'] }),
]);

const xfcc = (mode: string, details: Json = {}): Json =>
  httpListener(`xfcc-${mode}`, [toCluster('echo')], {
    hcm: { forward_client_cert_details: mode, set_current_client_cert_details: details },
  });
const ALL = { subject: true, cert: true, chain: true, dns: true, uri: true };
/** What a header has to hold that is made of names as any authority may write them. */
const oddNames = (
  [
    ['a subject with all that is escaped', { commonName: 'a"b,c;d=e+f\\g<h>' }],
    ['a subject that begins with a space', { commonName: ' a ' }],
    ['a subject that begins with a hash', { commonName: '#a' }],
    ['no name but a subject', { commonName: 'alone', names: [] }],
    [
      'a URI that looks like more of the header',
      { names: [{ uri: 'spiffe://td/a;By=x,Hash="y"' }] },
    ],
    [
      'a DNS name that looks like more of the header',
      { names: [{ dns: 'a;URI=spiffe://td/b,By="x"' }] },
    ],
    ['several of each', { names: [{ uri: 'a:1' }, { dns: 'b' }, { uri: 'c:2' }, { dns: 'd' }] }],
    ['an email and an address', { names: [{ email: 'a@b.c' }, { ip: [10, 0, 0, 1] }] }],
  ] as const
).map(([what, request]) => ({ what, leaf: root.issue(request) }));

const XFCC_MODES = [
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
];

function xfccListeners(): readonly Json[] {
  return XFCC_MODES.flatMap((mode) => {
    const base = xfcc(mode, ALL);
    const [only] = base['filter_chains'] as readonly Json[];
    const secured = {
      ...only,
      transport_socket: downstreamTls(
        { tls_certificates: [certificateOf(server)], validation_context: caOf(root) },
        { require_client_certificate: false },
      ),
    };
    return [
      { ...base, name: `tls-${mode}`, filter_chains: [secured] },
      { ...base, name: `plain-${mode}` },
    ];
  });
}

const bootstrap = (app: number, echo: number, tlsApp: number): Json =>
  bootstrapOf(
    [permissive, auto, strict, ...xfccListeners()],
    [cluster('app', [app]), cluster('echo', [echo]), cluster('tls-app', [tlsApp])],
  );

t.setTimeout(180_000);

const alpn = (...protocols: readonly string[]): { ALPNProtocols: string[] } => ({
  ALPNProtocols: [...protocols],
});
const PLAIN = 'GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n';

async function start(t: Teardowns, binary?: string): Promise<ProxyProcess> {
  const app = await serveHttp(t, (_request, response) => response.end('app'));
  const echo = await serveHttp(t, (request, response) =>
    response.end(
      String(request.headers['x-forwarded-client-cert'] ?? 'none') +
        ' ' +
        String(request.headers['x-forwarded-proto']),
    ),
  );
  const tlsApp = await serveHttp(t, (_request, response) => response.end('never'));
  return ProxyProcess.start(t, bootstrap(app, echo, tlsApp), binary);
}

/** What each way in answers: compared between proxies. */
async function ways(proxy: ProxyProcess): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  const note = (name: string, text: string): void => {
    found[name] = text.split('\r\n\r\n').at(-1)!;
  };
  for (const name of ['permissive', 'auto', 'strict']) {
    const port = proxy.port(name);
    for (const protocols of [
      ['istio-http/1.1', 'istio', 'http/1.1'],
      ['istio-http/1.0', 'istio', 'http/1.0'],
      ['istio-peer-exchange', 'istio'],
      ['h2', 'http/1.1'],
      ['http/1.1'],
      [],
    ]) {
      const options = { ...withCert, ...(protocols.length > 0 && alpn(...protocols)) };
      const result = await attempt(port, options);
      // The request is no HTTP/2: what the server says of that is another suite's.
      const answer = result.alpn === 'h2' ? '' : `${result.status} ${result.body}`;
      note(`${name} mTLS offering ${protocols.join()}`, `${result.alpn} ${answer}`);
    }
    note(`${name} mTLS without a certificate`, (await attempt(port, alpn('istio-http/1.1'))).body);
    note(`${name} plaintext HTTP`, await plainAttempt(port, PLAIN));
    note(
      `${name} plaintext of no protocol`,
      (await plainAttempt(port, 'hello\r\n\r\n')).slice(0, 12),
    );
  }
  for (const mode of XFCC_MODES) {
    const claim =
      'GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-client-cert: By=made;Hash=up\r\nconnection: close\r\n\r\n';
    note(
      `XFCC ${mode} with a certificate`,
      (await attempt(proxy.port(`tls-${mode}`), withCert, claim)).body,
    );
    note(`XFCC ${mode} without one`, (await attempt(proxy.port(`tls-${mode}`), {}, claim)).body);
    note(`XFCC ${mode} plain`, await plainAttempt(proxy.port(`plain-${mode}`), claim));
  }
  for (const { what, leaf } of oddNames) {
    const shown = { cert: leaf.pem, key: leaf.keyPem };
    for (const mode of ['SANITIZE_SET', 'APPEND_FORWARD'])
      note(`XFCC ${mode} of ${what}`, (await attempt(proxy.port(`tls-${mode}`), shown)).body);
  }
  return found;
}

t.test('A sidecar', async (t) => {
  const proxy = await start(t);
  const ours = await ways(proxy);

  t.test('serves what istiod lets in, and nothing else', (t) => {
    t.equal(
      ours['permissive mTLS offering istio-http/1.1,istio,http/1.1'],
      'http/1.1 HTTP/1.1 200 OK mtls',
    );
    t.equal(
      ours['permissive mTLS offering istio-http/1.0,istio,http/1.0'],
      ' HTTP/1.1 200 OK mtls',
    );
    t.equal(ours['permissive plaintext HTTP'], 'plain');
    t.equal(ours['permissive mTLS without a certificate'], '');
    t.equal(
      ours['auto mTLS offering istio-http/1.1,istio,http/1.1'],
      'http/1.1 HTTP/1.1 200 OK mtls-http',
    );
    t.equal(
      ours['auto mTLS offering istio-peer-exchange,istio'],
      'istio-peer-exchange HTTP/1.1 200 OK app',
    );
    t.equal(ours['auto plaintext HTTP'], 'plain-http');
    t.equal(ours['strict mTLS offering '], ' HTTP/1.1 200 OK strict');
    t.equal(ours['strict mTLS without a certificate'], '');
    t.equal(ours['strict plaintext HTTP'], '');
    t.equal(ours['strict plaintext of no protocol'], '');
    t.end();
  });

  t.test('tells of the client’s certificate as configured', (t) => {
    const made = 'By=made;Hash=up http';
    const known = ours['XFCC SANITIZE_SET with a certificate']!;
    t.match(
      known,
      new RegExp(
        `^By=spiffe://td/ns/a/sa/srv;Hash=${client.fingerprint};Cert="-----BEGIN%20CERTIFICATE-----%0A.*";Chain=".*";Subject="CN=cli,O=org";URI=spiffe://td/ns/a/sa/cli;DNS=cli.a https$`,
      ),
    );
    t.equal(ours['XFCC SANITIZE with a certificate'], 'none https');
    t.equal(ours['XFCC SANITIZE plain'], 'none http');
    t.equal(ours['XFCC FORWARD_ONLY with a certificate'], `${made}s`);
    t.equal(ours['XFCC FORWARD_ONLY without one'], 'none https');
    t.equal(ours['XFCC APPEND_FORWARD with a certificate'], `By=made;Hash=up,${known}`);
    t.equal(ours['XFCC APPEND_FORWARD without one'], 'none https');
    t.equal(ours['XFCC SANITIZE_SET without one'], 'none https');
    t.equal(ours['XFCC ALWAYS_FORWARD_ONLY plain'], made);
    t.end();
  });

  t.test(
    'agrees with Envoy',
    { skip: envoyBinary === undefined && 'no Envoy found' },
    async (t) => {
      const theirs = await ways(await start(t, envoyBinary));
      for (const [name, text] of Object.entries(ours)) t.equal(text, theirs[name], name);
    },
  );

  t.test('67 reads a hello however it is cut, and lets no plaintext byte in', async (t) => {
    const hello = await clientHello();
    const port = proxy.port('strict');
    const answers = new Set<string>();
    // Every place to cut at, 16 at a time.
    for (let from = 1; from < hello.length; from += 16) {
      const cuts = Array.from({ length: Math.min(16, hello.length - from) }, (_, i) => from + i);
      for (const type of await Promise.all(cuts.map((cut) => firstRecord(port, hello, cut))))
        answers.add(type);
    }
    t.strictSame([...answers], ['handshake']);
    // Cut into records of one byte each: still a hello.
    t.equal(await firstRecord(port, inTinyRecords(hello), 7), 'handshake');
    const before = await proxy.stat('http.strict.downstream_rq_total');
    for (const bytes of [
      'GET / HTTP/1.1\r\nhost: h\r\n\r\n',
      '\x16\x03',
      '\x16\x03\x01\x00\x00',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\0',
    ]) {
      const answer = await halfClosed(port, bytes);
      t.notMatch(answer, /HTTP/, JSON.stringify(bytes));
    }
    t.equal(await proxy.stat('http.strict.downstream_rq_total'), before);
  });

  t.test('67 takes names that are too long or hold a NUL', async (t) => {
    const { status, body } = await attempt(proxy.port('strict'), {
      ...withCert,
      servername: `${'a.'.repeat(126)}b`,
    });
    t.equal(`${status} ${body}`, 'HTTP/1.1 200 OK strict');
    t.ok(proxy.alive);
  });

  t.test('66 gives up on chains that are too much', async (t) => {
    let issuer = root;
    const chainOf: TestCertificate[] = [];
    for (let i = 0; i < 30; i++) {
      issuer = issuer.issue({ ca: true, commonName: `i${i}` });
      chainOf.unshift(issuer);
    }
    const leaf = issuer.issue({ names: [{ uri: 'spiffe://td/deep' }] });
    const result = await attempt(proxy.port('strict'), {
      cert: [leaf, ...chainOf].map(({ pem }) => pem).join(''),
      key: leaf.keyPem,
    });
    t.ok(proxy.alive, result.status);
    t.equal((await attempt(proxy.port('strict'), withCert)).body, 'strict');
  });

  t.test('takes openssl and curl as clients', async (t) => {
    const dir = privateDir(t);
    const file = (name: string, text: string): string => {
      const path = join(dir, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const cert = file('cert.pem', client.pem);
    const key = file('key.pem', client.keyPem);
    const ca = file('ca.pem', root.pem);
    const port = proxy.port('strict');
    const said = await run(
      'openssl',
      [
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        '-cert',
        cert,
        '-key',
        key,
        '-CAfile',
        ca,
        '-quiet',
      ],
      PLAIN,
    );
    t.match(said, /strict/);
    const old = await run(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, '-cert', cert, '-key', key, '-tls1_1'],
      PLAIN,
    );
    t.notMatch(old, /strict/, 'TLS 1.1 is too old');
    const curl = (...more: string[]): Promise<string> =>
      run(
        'curl',
        ['-sk', '-m', '5', '--cert', cert, '--key', key, ...more, `https://127.0.0.1:${port}/`],
        '',
      );
    t.equal(await curl('--http1.1'), 'strict');
    t.equal(await curl('--tls-max', '1.2'), 'strict');
    t.equal(await curl('--http2'), 'strict', 'HTTP/2, agreed by ALPN');
  });
});

t.test('63 sessions and trust', async (t) => {
  const one = sessionListener('one', [root]);
  const before = await ProxyProcess.start(t, bootstrapOf([one], []));
  const first = await attempt(before.port('one'), withCert);
  t.equal(first.body, 'one');
  t.ok(first.session, 'a ticket came');
  const again = await attempt(before.port('one'), { ...withCert, session: first.session! });
  t.equal(again.body, 'one');
  t.ok(again.resumed, 'the session is resumed');
  t.equal(await before.stat('listener.one.ssl.session_reused'), 1);
});

t.test(
  'a session that is resumed is renewed: a client that keeps one ticket always resumes',
  async (t) => {
    const listener = sessionListener('renewing', [root]);
    const bootstrap = bootstrapOf([listener], []);
    for (const binary of envoyBinary === undefined ? [undefined] : [undefined, envoyBinary]) {
      const proxy = await ProxyProcess.start(t, bootstrap, binary);
      let session: Buffer | undefined;
      const resumed: boolean[] = [];
      for (let i = 0; i < 5; i++) {
        const one = await attempt(proxy.port('renewing'), { ...withCert, session });
        t.equal(one.body, 'renewing');
        resumed.push(one.resumed);
        ({ session } = one);
      }
      t.same(resumed, [false, true, true, true, true], binary ?? 'ours');
      t.equal(await proxy.stat('listener.renewing.ssl.session_reused'), 4);
    }
  },
);

t.test('of several ticket keys the first seals, and all open', async (t) => {
  const [old, fresh] = [Buffer.alloc(80, 1), Buffer.alloc(80, 2)];
  const keyed = (name: string, ...keys: readonly Buffer[]): Json =>
    sessionListener(name, [root], {
      session_ticket_keys: { keys: keys.map((key) => ({ inline_bytes: key.toString('base64') })) },
    });
  const bootstrap = bootstrapOf(
    [keyed('before', old), keyed('between', fresh, old), keyed('after', fresh)],
    [],
  );
  for (const binary of envoyBinary === undefined ? [undefined] : [undefined, envoyBinary]) {
    const proxy = await ProxyProcess.start(t, bootstrap, binary);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const come = (name: string, session?: Buffer): Promise<Attempt> =>
        attempt(proxy.port(name), { ...withCert, maxVersion, session });
      const { session } = await come('before');
      const label = `${binary === undefined ? 'ours' : 'Envoy'}, ${maxVersion}`;
      t.ok((await come('between', session)).resumed, `${label}: the old key still opens`);
      t.notOk((await come('after', session)).resumed, `${label}: a key that is gone does not`);
      const renewed = await come('between');
      t.ok((await come('after', renewed.session)).resumed, `${label}: the new key seals`);
    }
  }
});

t.test('FIPS_202205 takes the place of what else is configured', async (t) => {
  const plain = sessionListener('fips', [root]);
  const [chainOf] = plain['filter_chains'] as readonly Json[];
  const socket = downstreamTls({
    tls_certificates: [certificateOf(server)],
    tls_params: {
      compliance_policies: ['FIPS_202205'],
      cipher_suites: ['ECDHE-ECDSA-CHACHA20-POLY1305'],
      ecdh_curves: ['X25519'],
    },
  });
  const listener = { ...plain, filter_chains: [{ ...chainOf, transport_socket: socket }] };
  const rows = [
    [{ ecdhCurve: 'P-256' }, 'fips'],
    [{ ecdhCurve: 'P-384' }, 'fips'],
    [{ ecdhCurve: 'X25519' }, ''],
    [{ ciphers: 'TLS_AES_256_GCM_SHA384' }, 'fips'],
    [{ ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }, ''],
    [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, 'fips'],
    [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' }, ''],
  ] as const;
  for (const binary of envoyBinary === undefined ? [undefined] : [undefined, envoyBinary]) {
    const proxy = await ProxyProcess.start(t, bootstrapOf([listener], []), binary);
    for (const [options, body] of rows) {
      const label = `${binary === undefined ? 'ours' : 'Envoy'}: ${JSON.stringify(options)}`;
      t.equal((await attempt(proxy.port('fips'), options)).body, body, label);
    }
  }
});

/** Two listeners that differ in whom they trust must not take each other's tickets. */
t.test('63 a ticket of other trust is none', async (t) => {
  const other = TestCertificate.root({ commonName: 'other' });
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [
        sessionListener('one', [root]),
        sessionListener('two', [other]),
        sessionListener('both', [root, other]),
      ],
      [],
    ),
  );
  const { session } = await attempt(proxy.port('one'), withCert);
  t.ok(session);
  const intoTwo = await attempt(proxy.port('two'), { ...withCert, session: session! });
  t.equal(intoTwo.status, '', 'the certificate is not of this authority, ticket or not');
  const intoBoth = await attempt(proxy.port('both'), { ...withCert, session: session! });
  t.equal(intoBoth.body, 'both');
  t.notOk(intoBoth.resumed, 'a full handshake');
  const noCert = await attempt(proxy.port('two'), { session: session! });
  t.equal(noCert.status, '');
});

t.test('70 a client that does not finish its handshake in time', async (t) => {
  const base = sessionListener('slow', [root]);
  const [only] = base['filter_chains'] as readonly Json[];
  const bootstrap = bootstrapOf(
    [{ ...base, filter_chains: [{ ...only, transport_socket_connect_timeout: '0.2s' }] }],
    [],
  );
  const hello = await clientHello();
  for (const binary of envoyBinary === undefined ? [undefined] : [undefined, envoyBinary]) {
    const proxy = await ProxyProcess.start(t, bootstrap, binary);
    const port = proxy.port('slow');
    t.equal(await plainAttempt(port, ''), '', 'nothing at all');
    t.equal(await plainAttempt(port, hello.subarray(0, 40)), '', 'a part of a hello');
    await plainAttempt(port, hello);
    const prefix = 'listener.slow.downstream_cx_transport_socket_connect_timeout';
    await proxy.untilStat(prefix, 3);
    t.equal(await proxy.stat('listener.slow.downstream_cx_active'), 0);
    t.equal((await attempt(port, withCert)).body, 'slow', 'one that does is served');
  }
});

function sessionListener(name: string, roots: readonly TestCertificate[], more: Json = {}): Json {
  return {
    ...listener(name, [
      {
        filters: answering(name),
        transport_socket: downstreamTls(
          { tls_certificates: [certificateOf(server)], validation_context: caOf(...roots) },
          { require_client_certificate: true, ...more },
        ),
      },
    ]),
    listener_filters: [],
  };
}

function run(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: 8000 }, (_error, stdout) =>
      resolve(stdout),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

const clientHello = (): Promise<Buffer> =>
  caughtHello({ servername: 'a.example.com', ALPNProtocols: ['istio-http/1.1'] });

/** What the proxy answers to a hello that comes in two pieces. */
function firstRecord(port: number, hello: Buffer, cut: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      socket.write(hello.subarray(0, cut));
      setImmediate(() => socket.write(hello.subarray(cut)));
    });
    const finish = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('data', (bytes: Buffer) =>
      finish(bytes[0] === 0x16 ? 'handshake' : `record ${bytes[0]}`),
    );
    socket.on('error', () => finish('error'));
    socket.on('close', () => finish('closed'));
    socket.setTimeout(8000, () => finish('timeout'));
  });
}

/** The same handshake message, a byte a record. */
function inTinyRecords(hello: Buffer): Buffer {
  const message = hello.subarray(5);
  return Buffer.concat([...message].map((byte) => Buffer.of(0x16, 3, 1, 0, 1, byte)));
}

/** Sends, ends its side, and reads to the end. */
function halfClosed(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.end(Buffer.from(bytes, 'latin1')),
    );
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    socket.setTimeout(8000, () => socket.destroy());
  });
}
