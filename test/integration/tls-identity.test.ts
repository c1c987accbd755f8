// Who gets in by mutual TLS, and what is told of those who do not: ours beside the real Envoy on the same certificates.
// Numbers in names: attack checklist, part D.
// @long
import t from 'tap';

import { ProxyProcess, bootstrapOf, envoyBinary, httpListener } from '../support/proxy-process.ts';
import type { Teardowns } from '../support/private-dir.ts';
import { ask } from '../support/test-http.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import type { AltName, CertificateRequest } from '../support/test-certificates.ts';
import {
  attempt,
  caOf,
  certificateOf,
  downstreamTls,
  plainAttempt,
  san,
  spiffeValidator,
} from '../support/tls-samples.ts';

type Json = { readonly [key: string]: unknown };

const root = TestCertificate.root();
const other = TestCertificate.root({ commonName: 'other' });
const intermediate = root.issue({ ca: true, commonName: 'intermediate' });
const server = root.issue({ commonName: 'server', names: [{ dns: 'server.example.com' }] });

const HOUR = 3_600_000;
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR);
const identity: AltName = { uri: 'spiffe://td/ns/a/sa/b' };
const client = (request: CertificateRequest = {}, issuer = root): TestCertificate =>
  issuer.issue({ names: [identity], ...request });
const named = (...names: readonly AltName[]): TestCertificate => client({ names });

const mesh: Json = {
  ...caOf(root),
  match_typed_subject_alt_names: [san('URI', { prefix: 'spiffe://td/' })],
};

interface Row {
  readonly name: string;
  /** Default: `mesh`. */
  readonly validation?: Json;
  readonly require?: boolean;
  /** Leaf first; undefined: none is shown. */
  readonly chain?: readonly TestCertificate[];
  readonly plaintext?: true;
  /** '' : gets in; else part of the reason. */
  readonly reason: string;
  /** Counters that go up, of `listener.NAME.ssl.`. */
  readonly stats: readonly string[];
  /** Where Envoy does otherwise, and why. */
  readonly differs?: string;
}

const expired = client({ notBefore: ago(48), notAfter: ago(24) });
const revoked = client();
const member = client({ commonName: 'member' });
const SAN_MATCHER = 'verify_cert_failed:_SAN_matcher';
const NO_ISSUER = 'unable_to_get_local_issuer_certificate';
const good = { reason: '', stats: ['handshake'] };
const badName = { reason: SAN_MATCHER, stats: ['fail_verify_san'] };
const badChain = (reason: string): Pick<Row, 'reason' | 'stats'> => ({
  reason,
  stats: ['fail_verify_error'],
});

const rows: readonly Row[] = [
  { name: 'the right identity', chain: [client()], ...good },
  { name: 'an RSA key', chain: [client({ key: 'rsa' })], ...good },
  { name: 'one of several names', chain: [named({ uri: 'spiffe://x/y' }, identity)], ...good },
  { name: 'another trust domain', chain: [named({ uri: 'spiffe://evil/ns/a/sa/b' })], ...badName },
  { name: 'expired', chain: [expired], ...badChain('certificate_has_expired') },
  {
    name: 'not yet valid',
    chain: [client({ notBefore: ago(-1) })],
    ...badChain('certificate_is_not_yet_valid'),
  },
  {
    name: 'signed by itself',
    chain: [TestCertificate.root({ ca: false, commonName: 'me', names: [identity] })],
    ...badChain(NO_ISSUER),
  },
  {
    name: 'an authority signed by itself',
    chain: [TestCertificate.root({ commonName: 'me', names: [identity] })],
    ...badChain('unsupported_certificate_purpose'),
    differs:
      'both refuse an authority as a client; Envoy names its key usage, and counts another counter',
  },
  { name: 'of another authority', chain: [client({}, other)], ...badChain(NO_ISSUER) },
  {
    name: 'no certificate',
    reason: 'PEER_DID_NOT_RETURN_A_CERTIFICATE',
    stats: ['fail_verify_no_cert'],
  },
  { name: 'plaintext', plaintext: true, reason: 'HTTP_REQUEST', stats: ['connection_error'] },
  // 61: the type counts, and the exact bytes.
  { name: '61 the text as a DNS name', chain: [named({ dns: identity.uri! })], ...badName },
  { name: '61 the text as an email', chain: [named({ email: identity.uri! })], ...badName },
  {
    name: '61 the text as another name',
    chain: [named({ otherName: { oid: '1.2.3', value: identity.uri! } })],
    ...badName,
  },
  {
    name: '61 a list written into one name',
    chain: [named({ dns: 'x, URI:spiffe://td/ns/a/sa/b' })],
    ...badName,
  },
  {
    name: '61 a NUL within the name',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('DNS', { exact: 'a.example.com' })],
    },
    chain: [named({ dns: 'a.example.com\0.evil.com' })],
    ...badName,
    differs: 'control bytes of a peer are not written into logs',
  },
  {
    name: '61 another name of the right type',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('OTHER_NAME', { exact: 'zz' }, { oid: '1.2.3' })],
    },
    chain: [named({ otherName: { oid: '1.2.3', value: 'zz' } })],
    ...good,
  },
  {
    name: '61 another name of another type',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('OTHER_NAME', { exact: 'zz' }, { oid: '1.2.3' })],
    },
    chain: [named({ otherName: { oid: '1.2.4', value: 'zz' } })],
    ...badName,
  },
  // 62
  {
    name: '62 a purpose that is not its own',
    chain: [client({ purposes: ['server'] })],
    ...badChain('purpose'),
  },
  { name: '62 code signing', chain: [client({ purposes: ['code'] })], ...badChain('purpose') },
  { name: '62 no purpose is any purpose', chain: [client({ purposes: [] })], ...good },
  // 64
  { name: '64 a scheme in capitals', chain: [named({ uri: 'SPIFFE://td/ns/a/sa/b' })], ...badName },
  { name: '64 a domain in capitals', chain: [named({ uri: 'spiffe://TD/ns/a/sa/b' })], ...badName },
  { name: '64 a longer domain', chain: [named({ uri: 'spiffe://td.evil/ns/a/sa/b' })], ...badName },
  {
    name: '64 a wildcard of one label',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('DNS', { exact: 'a.example.com' })],
    },
    chain: [named({ dns: '*.example.com' })],
    ...good,
  },
  {
    name: '64 a wildcard does not reach two labels',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('DNS', { exact: 'a.b.example.com' })],
    },
    chain: [named({ dns: '*.example.com' })],
    ...badName,
  },
  // Matchers of all kinds.
  ...(
    [
      ['suffix', { suffix: '/sa/b' }, true],
      ['contains', { contains: '/ns/a/' }, true],
      ['regex', { safe_regex: { regex: 'spiffe://td/ns/[a-z]+/sa/b' } }, true],
      ['regex of a part', { safe_regex: { regex: 'ns/[a-z]+' } }, false],
      ['exact', { exact: identity.uri }, true],
    ] as const
  ).map(([kind, matcher, gets]): Row => ({
    name: `matched by ${kind}`,
    validation: { ...caOf(root), match_typed_subject_alt_names: [san('URI', matcher)] },
    chain: [client()],
    ...(gets ? good : badName),
  })),
  {
    name: 'an address',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('IP_ADDRESS', { exact: '10.1.2.3' })],
    },
    chain: [named({ ip: [10, 1, 2, 3] })],
    ...good,
  },
  {
    name: 'an email',
    validation: {
      ...caOf(root),
      match_typed_subject_alt_names: [san('EMAIL', { suffix: '@example.com' })],
    },
    chain: [named({ email: 'a@example.com' })],
    ...good,
  },
  {
    name: 'untyped names, as istiod writes them',
    validation: { ...caOf(root), match_subject_alt_names: [{ prefix: 'spiffe://td/' }] },
    chain: [client()],
    ...good,
  },
  // Chains.
  { name: 'by an intermediate', chain: [client({}, intermediate), intermediate], ...good },
  { name: 'without its intermediate', chain: [client({}, intermediate)], ...badChain(NO_ISSUER) },
  {
    name: 'an intermediate as anchor',
    validation: { ...mesh, ...caOf(intermediate) },
    chain: [client({}, intermediate)],
    ...good,
  },
  {
    name: 'a chain deeper than allowed',
    validation: { ...mesh, max_verify_depth: 1 },
    chain: [client({}, intermediate), intermediate],
    ...badChain(NO_ISSUER),
  },
  {
    name: 'a chain as deep as allowed, of one',
    validation: { ...mesh, max_verify_depth: 1 },
    chain: [client()],
    ...good,
  },
  {
    name: 'a chain as deep as allowed',
    validation: { ...mesh, max_verify_depth: 2 },
    chain: [client({}, intermediate), intermediate],
    ...good,
  },
  {
    name: 'a leaf as authority',
    chain: [client({ commonName: 'below' }, member), member],
    ...badChain(NO_ISSUER),
  },
  // Revocation.
  {
    name: 'revoked',
    validation: { ...mesh, crl: { inline_string: root.revoke(revoked) } },
    chain: [revoked],
    ...badChain('certificate_revoked'),
  },
  {
    name: 'not revoked',
    validation: { ...mesh, crl: { inline_string: root.revoke(revoked) } },
    chain: [client()],
    ...good,
  },
  {
    name: 'no list for the intermediate',
    validation: { ...mesh, crl: { inline_string: root.revoke(revoked) } },
    chain: [client({}, intermediate), intermediate],
    ...badChain('unable_to_get_certificate_CRL'),
  },
  {
    name: 'only the leaf is looked up',
    validation: {
      ...mesh,
      crl: { inline_string: intermediate.revoke(revoked) },
      only_verify_leaf_cert_crl: true,
    },
    chain: [client({}, intermediate), intermediate],
    ...good,
  },
  {
    name: 'a leaf that is revoked, looked up alone',
    validation: {
      ...mesh,
      crl: { inline_string: root.revoke(revoked) },
      only_verify_leaf_cert_crl: true,
    },
    chain: [revoked],
    ...badChain('certificate_revoked'),
  },
  // Pins.
  {
    name: 'a hash',
    validation: { verify_certificate_hash: [revoked.fingerprint] },
    chain: [revoked],
    ...good,
  },
  {
    name: 'another hash',
    validation: { verify_certificate_hash: [server.fingerprint] },
    chain: [client()],
    reason: 'cert_hash_and_spki',
    stats: ['fail_verify_cert_hash'],
  },
  {
    name: 'a pin',
    validation: { ...mesh, verify_certificate_spki: [revoked.spkiPin] },
    chain: [revoked],
    ...good,
  },
  {
    name: 'one of hash and pin is enough',
    validation: {
      ...mesh,
      verify_certificate_spki: [revoked.spkiPin],
      verify_certificate_hash: [server.fingerprint],
    },
    chain: [revoked],
    ...good,
  },
  // Leniency.
  {
    name: 'expired, and allowed to be',
    validation: { ...mesh, allow_expired_certificate: true },
    chain: [expired],
    ...good,
  },
  {
    name: 'expired and of another authority, allowed to be expired',
    validation: { ...mesh, allow_expired_certificate: true },
    chain: [client({ notBefore: ago(48), notAfter: ago(24) }, other)],
    ...badChain(NO_ISSUER),
  },
  {
    name: 'of another authority, where untrusted ones are accepted',
    validation: { ...caOf(root), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    chain: [client({}, other)],
    reason: '',
    stats: ['handshake', 'fail_verify_error'],
  },
  {
    name: 'no certificate where a name is asked for',
    require: false,
    reason: 'PEER_DID_NOT_RETURN_A_CERTIFICATE',
    stats: ['fail_verify_no_cert'],
  },
  {
    name: 'no certificate where none is required',
    require: false,
    validation: caOf(root),
    reason: '',
    stats: ['handshake', 'no_certificate'],
  },
  {
    name: 'another trust domain where none is required',
    require: false,
    chain: [named({ uri: 'spiffe://evil/ns/a/sa/b' })],
    ...badName,
  },
  // SPIFFE bundles.
  {
    name: 'of its trust domain',
    validation: spiffeValidator({ td: root, two: other }),
    chain: [client()],
    ...good,
  },
  {
    name: 'of a trust domain whose bundle has two authorities',
    validation: spiffeValidator({ two: other, td: { pem: other.pem + root.pem } }),
    chain: [client()],
    ...good,
  },
  {
    name: 'vouched for by the authority of another trust domain',
    validation: spiffeValidator({ td: root, two: other }),
    chain: [client({}, other)],
    ...badChain(''),
  },
  {
    name: 'of no trust domain',
    validation: spiffeValidator({ td: root }),
    chain: [named({ uri: 'spiffe://evil/x' })],
    ...badChain(''),
  },
  {
    name: 'two identities in one certificate',
    validation: spiffeValidator({ td: root }),
    chain: [named(identity, { uri: 'spiffe://td/other' })],
    ...badChain('no_SPIFFE_identity'),
    differs: 'the SPIFFE standard has such a certificate rejected; Envoy takes the first identity',
  },
];

const LOG = 'L %FILTER_CHAIN_NAME% %RESPONSE_FLAGS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n';
const idOf = (index: number): string => `row${index}`;

function listenerOf(row: Row, index: number): Json {
  const name = idOf(index);
  const base = httpListener(name, [
    { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'in' } } },
  ]);
  const [chain] = base['filter_chains'] as readonly Json[];
  const socket = downstreamTls(
    { tls_certificates: [certificateOf(server)], validation_context: row.validation ?? mesh },
    { require_client_certificate: row.require ?? true },
  );
  return {
    ...base,
    stat_prefix: name,
    filter_chains: [{ ...chain, name, transport_socket: socket }],
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: 'LOG',
          log_format: { text_format_source: { inline_string: LOG } },
        },
      },
    ],
  };
}

interface Played {
  readonly outcomes: readonly Outcome[];
  /** /certs, sorted, each once: Envoy lists contexts by where they lie in memory, and does not share those that are the same. */
  readonly certs: readonly string[];
}

interface Outcome {
  readonly status: string;
  readonly log: string;
  readonly stats: readonly string[];
  /** What a client of TLS 1.2 and one of 1.3 are told that are kept out. */
  readonly alerts: readonly string[];
}

async function play(t: Teardowns, binary?: string): Promise<Played> {
  const proxy = await ProxyProcess.start(t, bootstrapOf(rows.map(listenerOf), []), binary);
  const outcomes: Omit<Outcome, 'stats'>[] = [];
  for (const [index, row] of rows.entries()) {
    const port = proxy.port(idOf(index));
    let status: string;
    const alerts: string[] = [];
    if (row.plaintext === true)
      status = await plainAttempt(port, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    else {
      const [leaf] = row.chain ?? [];
      const shown =
        leaf === undefined
          ? {}
          : { cert: row.chain!.map(({ pem }) => pem).join(''), key: leaf.keyPem };
      ({ status } = await attempt(port, shown));
      // Without a request: its bytes would be unread, and the end a reset, which may overtake the alert.
      if (row.stats[0] !== 'handshake' && row.differs === undefined)
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
          alerts.push((await attempt(port, { ...shown, maxVersion }, '')).error);
    }
    const log = await proxy.logLine(0, new RegExp(`^L ${idOf(index)} `));
    outcomes.push({ status, alerts, log: log.replace(/^L \S+ /, '') });
  }
  const stats = await proxy.stats();
  const reply = await ask(proxy.adminPort, 'GET', '/certs');
  const { certificates } = JSON.parse(reply.body) as { readonly certificates: readonly unknown[] };
  const judged = outcomes.map((outcome, index) => {
    const prefix = `listener.${idOf(index)}.ssl.`;
    const counted = [...stats]
      .filter(([name, value]) => name.startsWith(prefix) && value > 0)
      .map(([name]) => name.slice(prefix.length))
      .filter((name) => !/^(versions|ciphers|curves|sigalgs|certificate)\./.test(name));
    return { ...outcome, stats: counted.sort() };
  });
  const certs = [...new Set(certificates.map((one) => JSON.stringify(one)))].sort();
  return { outcomes: judged, certs };
}

t.setTimeout(120_000);

t.test('Mutual TLS', async (t) => {
  const { outcomes: ours, certs } = await play(t);
  for (const [index, row] of rows.entries()) {
    t.test(
      `${row.reason === '' && row.stats[0] === 'handshake' ? 'lets in' : 'keeps out'}: ${row.name}`,
      (t) => {
        const { status, log, stats, alerts } = ours[index]!;
        const gets = row.stats[0] === 'handshake';
        t.equal(status, gets ? 'HTTP/1.1 200 OK' : '');
        if (gets) t.equal(log, '- -');
        else t.ok(log.startsWith('- TLS_error:|') && log.includes(row.reason), log);
        t.strictSame(stats, [...row.stats].sort());
        for (const alert of alerts)
          t.match(alert, /ALERT|BAD_CERTIFICATE_HASH_VALUE/, 'is told why');
        t.end();
      },
    );
  }

  t.test(
    'agrees with Envoy',
    { skip: envoyBinary === undefined && 'no Envoy found' },
    async (t) => {
      const { outcomes: theirs, certs: theirCerts } = await play(t, envoyBinary);
      t.strictSame(certs, theirCerts, '/certs');
      for (const [index, row] of rows.entries()) {
        if (row.differs !== undefined)
          t.notSame(ours[index], theirs[index], `${row.name}: ${row.differs}`);
        else t.strictSame(ours[index], theirs[index], row.name);
      }
    },
  );
});

t.test('A context that cannot work ends the start, as in Envoy', async (t) => {
  const wrong: readonly (readonly [what: string, common: Json, says: RegExp])[] = [
    [
      'a key of another certificate',
      {
        tls_certificates: [
          { ...certificateOf(server), private_key: { inline_string: client().keyPem } },
        ],
      },
      /Failed to load private key/,
    ],
    [
      'no certificate in the text',
      {
        tls_certificates: [{ ...certificateOf(server), certificate_chain: { inline_string: 'x' } }],
      },
      /Failed to load certificate chain/,
    ],
    [
      'a file that is not there',
      {
        tls_certificates: [
          { ...certificateOf(server), certificate_chain: { filename: '/nowhere/cert.pem' } },
        ],
      },
      /Invalid path: \/nowhere\/cert.pem/,
    ],
    ['no certificate at all', {}, /No TLS certificates found for server context/],
    [
      'names without an authority',
      {
        tls_certificates: [certificateOf(server)],
        validation_context: { match_typed_subject_alt_names: [san('URI', { exact: 'x' })] },
      },
      /SAN-based verification of peer certificates without trusted CA is insecure and not allowed/,
    ],
    [
      'an unknown cipher',
      { tls_certificates: [certificateOf(server)], tls_params: { cipher_suites: ['NOPE'] } },
      /Failed to initialize cipher suites NOPE/,
    ],
    [
      'an unknown curve',
      { tls_certificates: [certificateOf(server)], tls_params: { ecdh_curves: ['NOPE'] } },
      /Failed to initialize ECDH curves NOPE/,
    ],
    [
      'a hash that is none',
      {
        tls_certificates: [certificateOf(server)],
        validation_context: { verify_certificate_hash: ['ab'] },
      },
      /Invalid hex-encoded SHA-256 ab/,
    ],
    [
      'a trusted text that is none',
      {
        tls_certificates: [certificateOf(server)],
        validation_context: { trusted_ca: { inline_string: 'x' } },
      },
      /Failed to load trusted CA certificates from <inline>/,
    ],
  ];
  for (const [what, common, says] of wrong) {
    const base = httpListener('bad', []);
    const [chain] = base['filter_chains'] as readonly Json[];
    const listener = {
      ...base,
      filter_chains: [{ ...chain, transport_socket: downstreamTls(common) }],
    };
    const failure = await refusal(t, bootstrapOf([listener], []));
    t.match(failure, says, what);
    t.notMatch(failure, 'PRIVATE KEY', `${what}: no key in the message`);
    if (envoyBinary !== undefined)
      t.not(
        await refusal(t, bootstrapOf([listener], []), envoyBinary),
        'it started',
        `${what}: Envoy refuses it, too`,
      );
  }
});

async function refusal(t: Teardowns, bootstrap: Json, binary?: string): Promise<string> {
  try {
    await ProxyProcess.start(t, bootstrap, binary);
    return 'it started';
  } catch (error) {
    return (error as Error).message;
  }
}
