// TLS towards upstreams: whom a cluster trusts, what it says of itself, and what a failure is called: ours beside the real Envoy.
// @long
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import type { Teardowns } from '../support/private-dir.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  filterOf,
  httpListener,
  tcpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import type { CertificateRequest } from '../support/test-certificates.ts';
import { caOf, certificateOf, san, upstreamTls } from '../support/tls-samples.ts';
import { ask } from '../support/test-http.ts';

type Json = { readonly [key: string]: unknown };

const root = TestCertificate.root();
const other = TestCertificate.root({ commonName: 'other' });
const HOUR = 3_600_000;
const spiffe = { uri: 'spiffe://td/ns/a/sa/srv' };
const server = (request: CertificateRequest = {}, issuer = root): TestCertificate =>
  issuer.issue({ commonName: 'server', names: [spiffe, { dns: 'srv.example.com' }], ...request });
const me = root.issue({ commonName: 'me', names: [{ uri: 'spiffe://td/ns/a/sa/me' }] });

const servers = {
  good: server(),
  other: server({}, other),
  expired: server({
    notBefore: new Date(Date.now() - 48 * HOUR),
    notAfter: new Date(Date.now() - HOUR),
  }),
  young: server({ notBefore: new Date(Date.now() + HOUR) }),
  client: server({ purposes: ['client'] }),
  asDns: server({ names: [{ dns: spiffe.uri }] }),
  wildcard: server({ names: [{ dns: '*.example.com' }] }),
  rsa: server({ key: 'rsa' }),
} as const;

interface Row {
  readonly name: string;
  readonly server?: keyof typeof servers;
  /** Nobody there speaks TLS. */
  readonly plain?: true;
  /** The server wants a certificate, of `root`. */
  readonly mutual?: true;
  readonly common?: Json;
  readonly context?: Json;
  readonly more?: Json;
  readonly host?: string;
  readonly filters?: readonly Json[];
  /** What the server saw, or a part of the reason. */
  readonly seen?: string;
  readonly reason?: string;
  readonly stats: readonly string[];
  readonly differs?: string;
}

const TLS13 = { tls_params: { tls_maximum_protocol_version: 'TLSv1_3' } };
const trusting = (validation: Json = {}): Json => ({
  ...TLS13,
  validation_context: { ...caOf(root), ...validation },
});
const exactly = (type: string, value: string): Json =>
  trusting({ match_typed_subject_alt_names: [san(type, { exact: value })] });
const options = (
  upstream: Json,
  explicit: Json = { explicit_http_config: { http_protocol_options: {} } },
): Json => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      upstream_http_protocol_options: upstream,
      ...explicit,
    },
  },
});
const good = ['handshake'];
const refused = (reason: string, stat = 'fail_verify_error'): Pick<Row, 'reason' | 'stats'> => ({
  reason,
  stats: [stat],
});

const rows: readonly Row[] = [
  {
    name: 'no validation at all',
    common: {},
    seen: 'TLSv1.2 sni=false alpn=http/1.1',
    stats: good,
  },
  { name: 'TLS 1.3 where it is allowed', common: TLS13, seen: 'TLSv1.3', stats: good },
  { name: 'a server of the right authority', common: trusting(), seen: 'TLSv1.3', stats: good },
  { name: 'an RSA server', server: 'rsa', common: trusting(), seen: 'TLSv1.3', stats: good },
  {
    name: 'an RSA server over TLS 1.2',
    server: 'rsa',
    common: { validation_context: caOf(root) },
    seen: 'TLSv1.2',
    stats: good,
  },
  {
    name: 'another authority',
    server: 'other',
    common: trusting(),
    ...refused('unable_to_get_local_issuer_certificate'),
  },
  { name: 'expired', server: 'expired', common: trusting(), ...refused('certificate_has_expired') },
  {
    name: 'not yet valid',
    server: 'young',
    common: trusting(),
    ...refused('certificate_is_not_yet_valid'),
  },
  { name: '62 for clients only', server: 'client', common: trusting(), ...refused('purpose') },
  { name: 'the right name', common: exactly('URI', spiffe.uri), seen: 'TLSv1.3', stats: good },
  {
    name: 'another name',
    common: exactly('URI', 'spiffe://td/ns/a/sa/other'),
    ...refused('SAN_matcher', 'fail_verify_san'),
  },
  {
    name: '61 the text in another type',
    server: 'asDns',
    common: exactly('URI', spiffe.uri),
    ...refused('SAN_matcher', 'fail_verify_san'),
  },
  {
    name: 'no TLS on the other side',
    plain: true,
    common: trusting(),
    ...refused('WRONG_VERSION_NUMBER', 'connection_error'),
  },
  {
    name: 'SNI and ALPN',
    common: { ...trusting(), alpn_protocols: ['istio', 'http/1.1'] },
    context: { sni: 'srv.example.com' },
    seen: 'sni=srv.example.com alpn=http/1.1',
    stats: good,
  },
  {
    name: 'a certificate that is wanted',
    mutual: true,
    common: { ...trusting(), tls_certificates: [certificateOf(me)] },
    seen: 'peer=me',
    stats: good,
  },
  {
    name: 'a certificate that is wanted, over TLS 1.2',
    mutual: true,
    common: { validation_context: caOf(root), tls_certificates: [certificateOf(me)] },
    seen: 'TLSv1.2',
    stats: good,
  },
  {
    name: 'a certificate that is missing, over TLS 1.2',
    mutual: true,
    common: { validation_context: caOf(root) },
    ...refused('SSLV3_ALERT_HANDSHAKE_FAILURE', 'connection_error'),
  },
  {
    name: 'SNI of the host',
    common: trusting(),
    more: options({ auto_sni: true }),
    host: 'a.example.com:80',
    seen: 'sni=a.example.com',
    stats: good,
  },
  {
    name: 'no SNI of an address',
    common: trusting(),
    more: options({ auto_sni: true }),
    host: '10.0.0.1',
    seen: 'sni=false',
    stats: good,
  },
  {
    name: 'SNI of a header',
    common: trusting(),
    more: options({ auto_sni: true, override_auto_sni_header: 'x-name' }),
    seen: 'sni=from.header',
    stats: good,
  },
  {
    name: 'the host is a name of the server',
    common: trusting(),
    more: options({ auto_sni: true, auto_san_validation: true }),
    host: 'srv.example.com',
    seen: 'sni=srv.example.com',
    stats: good,
  },
  {
    name: 'the host is no name of the server',
    common: trusting(),
    more: options({ auto_sni: true, auto_san_validation: true }),
    host: 'x.example.com',
    ...refused('verify_SAN_list', 'fail_verify_san'),
  },
  {
    name: '64 the host is one of a wildcard',
    server: 'wildcard',
    common: trusting(),
    more: options({ auto_sni: true, auto_san_validation: true }),
    host: 'x.example.com',
    seen: 'sni=x',
    stats: good,
  },
  {
    name: '64 the host is below a wildcard',
    server: 'wildcard',
    common: trusting(),
    more: options({ auto_sni: true, auto_san_validation: true }),
    host: 'x.y.example.com',
    ...refused('verify_SAN_list', 'fail_verify_san'),
  },
  {
    name: 'the SNI is checked',
    server: 'wildcard',
    common: trusting(),
    context: { sni: 'x.example.com', auto_sni_san_validation: true },
    seen: 'sni=x.example.com',
    stats: good,
  },
  {
    name: 'the SNI is no name of the server',
    common: trusting(),
    context: { sni: 'x.example.com', auto_sni_san_validation: true },
    ...refused('SAN_matcher', 'fail_verify_san'),
  },
  {
    name: 'protocols of filter state',
    common: { ...trusting(), alpn_protocols: ['istio'] },
    filters: [stateFilter('envoy.network.application_protocols', 'istio-http/1.1,istio,http/1.1')],
    seen: 'offered=istio-http/1.1,istio,http/1.1',
    stats: good,
  },
  {
    name: 'SNI of filter state',
    common: trusting(),
    filters: [stateFilter('envoy.network.upstream_server_name', 'state.example.com')],
    seen: 'sni=state.example.com',
    stats: good,
  },
  {
    name: 'a pin',
    common: trusting({ verify_certificate_spki: [servers.good.spkiPin] }),
    seen: 'TLSv1.3',
    stats: good,
  },
  {
    name: 'another pin',
    common: trusting({ verify_certificate_spki: [servers.rsa.spkiPin] }),
    ...refused('cert_hash_and_spki', 'fail_verify_cert_hash'),
  },
  {
    name: 'no protocol version in common',
    common: {
      ...trusting(),
      tls_params: {
        tls_minimum_protocol_version: 'TLSv1_0',
        tls_maximum_protocol_version: 'TLSv1_1',
      },
    },
    reason: 'NO_CIPHERS_AVAILABLE',
    stats: ['connection_error'],
  },
];

function stateFilter(key: string, text: string): Json {
  return filterOf('state', 'filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      { object_key: key, format_string: { text_format_source: { inline_string: text } } },
    ],
  });
}

async function listen(
  t: Teardowns,
  certificate: TestCertificate,
  mutual: boolean,
): Promise<number> {
  const offered = new Map<string, string>();
  const upstream = createTlsServer(
    {
      cert: certificate.pem,
      key: certificate.keyPem,
      ca: root.pem,
      requestCert: mutual,
      rejectUnauthorized: mutual,
      ALPNCallback: ({ protocols }) => {
        offered.set('last', protocols.join(','));
        return protocols.find((name) => name === 'http/1.1') ?? protocols[0];
      },
    },
    (socket) => {
      const facts = `${socket.getProtocol()} sni=${String((socket as { servername?: string | false }).servername)} alpn=${String(socket.alpnProtocol)} offered=${offered.get('last')} peer=${String(socket.getPeerCertificate().subject?.CN)}`;
      socket.on('data', () =>
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-length: ${facts.length}\r\nconnection: close\r\n\r\n${facts}`,
        ),
      );
      socket.on('error', () => {});
    },
  );
  upstream.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.teardown(() => upstream.close());
  return (upstream.address() as AddressInfo).port;
}

interface Outcome {
  readonly status: number;
  readonly body: string;
  readonly log: string;
  readonly stats: readonly string[];
}

const idOf = (index: number): string => `row${index}`;
const LOG =
  'L %REQ(X-ROW)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% %UPSTREAM_PEER_SUBJECT% %UPSTREAM_PEER_URI_SAN% %UPSTREAM_LOCAL_URI_SAN%\n';

async function play(
  t: Teardowns,
  ports: readonly number[],
  binary?: string,
): Promise<readonly Outcome[]> {
  const listeners = rows.map((row, index) =>
    httpListener(idOf(index), [toCluster(idOf(index))], {
      httpFilters: row.filters ?? [],
      hcm: {
        access_log: [
          filterOf('log', 'access_loggers.file.v3.FileAccessLog', {
            path: 'LOG',
            log_format: { text_format_source: { inline_string: LOG } },
          }),
        ],
      },
    }),
  );
  const clusters = rows.map((row, index) =>
    cluster(idOf(index), [ports[index]!], {
      transport_socket: upstreamTls(row.common ?? {}, row.context ?? {}),
      ...row.more,
    }),
  );
  const proxy = await ProxyProcess.start(t, bootstrapOf(listeners, clusters), binary);
  const outcomes: { status: number; body: string; log: string }[] = [];
  for (const [index, row] of rows.entries()) {
    const { status, body } = await ask(proxy.port(idOf(index)), 'GET', '/', {
      host: row.host ?? 'h',
      'x-row': idOf(index),
      'x-name': 'from.header',
    });
    const log = await proxy.logLine(0, new RegExp(`^L ${idOf(index)} `));
    outcomes.push({ status, body, log: log.replace(/^L \S+ /, '') });
  }
  const stats = await proxy.stats();
  return outcomes.map((outcome, index) => {
    const prefix = `cluster.${idOf(index)}.ssl.`;
    const counted = [...stats]
      .filter(([name, value]) => name.startsWith(prefix) && value > 0)
      .map(([name]) => name.slice(prefix.length))
      .filter((name) => !/^(ciphers|certificate)\./.test(name));
    return { ...outcome, stats: counted.sort() };
  });
}

t.setTimeout(120_000);

t.test('TLS to upstreams', async (t) => {
  const plain = await new Promise<number>((resolve) => {
    import('node:net').then(({ createServer }) => {
      const raw = createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', () =>
          socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
        );
      }).listen(0, '127.0.0.1', () => resolve((raw.address() as AddressInfo).port));
      t.teardown(() => raw.close());
    }, t.fail);
  });
  const ports: number[] = [];
  for (const row of rows) {
    const port =
      row.plain === true
        ? plain
        : await listen(t, servers[row.server ?? 'good'], row.mutual === true);
    ports.push(port);
  }
  const ours = await play(t, ports);
  for (const [index, row] of rows.entries()) {
    t.test(row.name, (t) => {
      const { status, body, log, stats } = ours[index]!;
      if (row.seen === undefined) {
        t.equal(status, 503);
        t.match(
          log,
          /^503 UF upstream_reset_before_response_started\{remote_connection_failure\|TLS_error/,
        );
        t.ok(log.includes(row.reason!), log);
      } else {
        t.equal(status, 200, log);
        t.ok(body.includes(row.seen), body);
      }
      t.strictSame(
        stats.filter((name) => !name.includes('.')),
        [...row.stats].sort(),
      );
      t.end();
    });
  }

  t.test(
    'agrees with Envoy',
    { skip: envoyBinary === undefined && 'no Envoy found' },
    async (t) => {
      const theirs = await play(t, ports, envoyBinary);
      for (const [index, row] of rows.entries()) {
        if (row.differs !== undefined)
          t.notSame(ours[index], theirs[index], `${row.name}: ${row.differs}`);
        else t.strictSame(ours[index], theirs[index], row.name);
      }
    },
  );
});

t.test('TCP over TLS to an upstream, both ways, ended by either side', async (t) => {
  const { connect } = await import('node:net');
  const upstream = createTlsServer(
    { cert: servers.good.pem, key: servers.good.keyPem, allowHalfOpen: true },
    (socket) => {
      let got = 0;
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => (got += chunk.length));
      socket.on('end', () => socket.end(`got ${got} of ${'x'.repeat(300_000)}`));
    },
  );
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.teardown(() => upstream.close());
  const { port } = upstream.address() as AddressInfo;
  const bootstrap = bootstrapOf(
    [tcpListener('tcp', 'secure'), tcpListener('bad', 'distrusted')],
    [
      cluster('secure', [port], {
        transport_socket: upstreamTls(exactly('URI', spiffe.uri), { sni: 'srv.example.com' }),
      }),
      cluster('distrusted', [port], {
        transport_socket: upstreamTls({ ...TLS13, validation_context: caOf(other) }),
      }),
    ],
  );
  const talk = (to: number, bytes: number): Promise<number> =>
    new Promise((resolve) => {
      let got = 0;
      const socket = connect({ host: '127.0.0.1', port: to, allowHalfOpen: true }, () =>
        socket.end(Buffer.alloc(bytes, 'y')),
      );
      socket.on('data', (chunk: Buffer) => (got += chunk.length));
      socket.on('error', () => resolve(got));
      socket.on('close', () => resolve(got));
    });
  const whole = 'got 500000 of '.length + 300_000;
  const proxy = await ProxyProcess.start(t, bootstrap);
  t.equal(await talk(proxy.port('tcp'), 500_000), whole, 'all bytes of both ways');
  t.equal(await talk(proxy.port('bad'), 10), 0, 'nothing of a server that is not trusted');
  t.equal(await proxy.stat('cluster.distrusted.ssl.fail_verify_error'), 1);
  t.equal(await proxy.stat('cluster.distrusted.upstream_cx_connect_fail'), 1);
});

t.test('sessions with an upstream are resumed', async (t) => {
  const port = await listen(t, servers.good, false);
  const bootstrap = bootstrapOf(
    [httpListener('old', [toCluster('old')]), httpListener('new', [toCluster('new')])],
    [
      cluster('old', [port], { transport_socket: upstreamTls({ validation_context: caOf(root) }) }),
      cluster('new', [port], { transport_socket: upstreamTls(trusting()) }),
    ],
  );
  const proxy = await ProxyProcess.start(t, bootstrap);
  for (const [name, version] of [
    ['old', 'TLSv1.2'],
    ['new', 'TLSv1.3'],
  ] as const) {
    // The server closes after each answer.
    for (let i = 0; i < 4; i++) t.match((await ask(proxy.port(name), 'GET', '/')).body, version);
    const reused = await proxy.stat(`cluster.${name}.ssl.session_reused`);
    // A ticket of TLS 1.3 serves once, and may come after the next connection was begun.
    t.ok(version === 'TLSv1.2' ? reused === 3 : reused >= 1, `${version}: ${reused} of 3`);
  }
});
