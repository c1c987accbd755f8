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
      subjectAltNames: [
        { type: 'URI', match: { kind: 'exact', value: 'spiffe://a' } },
        { type: 'ANY', match: { kind: 'prefix', value: 'spiffe://cluster.local/' } },
      ],
    });
    t.end();
  });

  const mistakes: readonly (readonly [what: string, json: Json, problems: readonly string[]])[] = [
    [
      'an empty secret',
      {},
      ['name: is required', ': one of tls_certificate, validation_context is required'],
    ],
    [
      'a certificate without key',
      { name: 'a', tls_certificate: { certificate_chain: { inline_string: 'C' } } },
      ['tls_certificate.private_key: is required'],
    ],
    [
      'a revocation list',
      { name: 'a', validation_context: { crl: { inline_string: 'x' } } },
      ['validation_context.crl: is not supported by this version'],
    ],
    [
      'a name of no type',
      {
        name: 'a',
        validation_context: { match_typed_subject_alt_names: [{ matcher: { exact: 'x' } }] },
      },
      [
        'validation_context.match_typed_subject_alt_names[0].san_type: must be EMAIL, DNS, URI or IP_ADDRESS, is SAN_TYPE_UNSPECIFIED',
      ],
    ],
    [
      'a ticket key',
      { name: 'a', session_ticket_keys: {} },
      ['session_ticket_keys: is not supported by this version'],
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
