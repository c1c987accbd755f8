// Secrets: certificates, validation contexts, and what must not be overlooked.
import t from 'tap';
import type { SecretConfig } from '../../../proxy/config/secret-config.ts';
import { decodeSecret } from '../../../proxy/xds/secret-decoder.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { problemsOf } from './decoding.ts';
import type { Json } from './decoding.ts';

const decode = (json: Json): SecretConfig =>
  decodeSecret(fromJson('envoy.extensions.transport_sockets.tls.v3.Secret', json), 'v1');

t.test('decodeSecret', (t) => {
  t.test('reads a certificate', (t) => {
    const json = {
      name: 'default',
      tls_certificate: {
        certificate_chain: { inline_bytes: 'Q0VSVA==' },
        private_key: { filename: '/key.pem' },
      },
    };
    t.strictSame(decode(json), {
      kind: 'certificate',
      name: 'default',
      version: 'v1',
      certificateChain: { kind: 'inline', pem: 'CERT' },
      privateKey: { kind: 'file', path: '/key.pem' },
    });
    t.end();
  });

  t.test('reads a validation context with typed and untyped names', (t) => {
    const json = {
      name: 'ROOTCA',
      validation_context: {
        trusted_ca: { inline_string: 'CA' },
        match_subject_alt_names: [{ prefix: 'spiffe://cluster.local/' }],
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://a' } }],
      },
    };
    t.match(decode(json), {
      kind: 'validation',
      trustedCa: { kind: 'inline', pem: 'CA' },
      subjectAltNames: [{ type: 'URI', match: { kind: 'exact', value: 'spiffe://a' } }],
    });
    const untyped = {
      name: 'ROOTCA',
      validation_context: { match_subject_alt_names: [{ prefix: 'spiffe://cluster.local/' }] },
    };
    t.match(decode(untyped), {
      subjectAltNames: [
        { type: 'ANY', match: { kind: 'prefix', value: 'spiffe://cluster.local/' } },
      ],
    });
    t.end();
  });

  t.test('reads ticket keys, revocation lists and trust domains', (t) => {
    const key = Buffer.alloc(80, 7);
    t.strictSame(
      decode({
        name: 'k',
        session_ticket_keys: { keys: [{ inline_bytes: key.toString('base64') }] },
      }),
      { kind: 'ticket_keys', name: 'k', version: 'v1', keys: [new Uint8Array(key)] },
    );
    t.match(
      decode({
        name: 'v',
        validation_context: {
          trusted_ca: { inline_string: 'CA' },
          crl: { filename: '/var/run/secrets/istio/crl/ca-crl.pem' },
          only_verify_leaf_cert_crl: true,
          max_verify_depth: 2,
          trust_chain_verification: 'ACCEPT_UNTRUSTED',
          verify_certificate_hash: [`${'AB:'.repeat(31)}AB`],
        },
      }),
      {
        crl: { kind: 'file', path: '/var/run/secrets/istio/crl/ca-crl.pem' },
        onlyVerifyLeafCrl: true,
        maxVerifyDepth: 2,
        acceptUntrusted: true,
        certificateHashes: ['ab'.repeat(32)],
      },
    );
    t.match(
      decode({
        name: 'v',
        validation_context: {
          custom_validator_config: {
            name: 'envoy.tls.cert_validator.spiffe',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
              trust_domains: [{ name: 'td', trust_bundle: { inline_string: 'B' } }],
            },
          },
        },
      }),
      { spiffeTrustDomains: [{ name: 'td', trustBundle: { kind: 'inline', pem: 'B' } }] },
    );
    t.end();
  });

  const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
    [
      'an empty secret',
      {},
      [
        'name: is required',
        ': one of tls_certificate, validation_context, session_ticket_keys, generic_secret is required',
      ],
    ],
    [
      'a certificate without key',
      { name: 'a', tls_certificate: { certificate_chain: { inline_string: 'C' } } },
      ['tls_certificate.private_key: is required'],
    ],
    [
      'a hash that is none',
      { name: 'a', validation_context: { verify_certificate_hash: ['ab'] } },
      ['validation_context.verify_certificate_hash: Invalid hex-encoded SHA-256 ab'],
    ],
    [
      'a pin that is none',
      { name: 'a', validation_context: { verify_certificate_spki: ['YWI='] } },
      ['validation_context.verify_certificate_spki: Invalid base64-encoded SHA-256 YWI='],
    ],
    [
      'a name of no type',
      {
        name: 'a',
        validation_context: { match_typed_subject_alt_names: [{ matcher: { exact: 'x' } }] },
      },
      [
        'validation_context.match_typed_subject_alt_names[0].san_type: must be EMAIL, DNS, URI, IP_ADDRESS or OTHER_NAME, is SAN_TYPE_UNSPECIFIED',
      ],
    ],
    [
      'a ticket key',
      { name: 'a', session_ticket_keys: { keys: [{ inline_string: 'short' }] } },
      ['session_ticket_keys.keys[0]: must be 80 bytes long, is 5'],
    ],
  ];
  for (const [what, json, expected] of mistakes) {
    t.test(`refuses ${what}`, (t) => {
      t.strictSame(
        problemsOf(() => decode(json)),
        expected,
      );
      t.end();
    });
  }
  t.end();
});
