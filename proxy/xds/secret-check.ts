// [m] Whether certificates, keys and roots of a secret can be used at all: asked on main, so that what workers get always loads, and a bad
// rotation is refused while the good one stays (envoy-behaviour §9.4). No message holds any part of a secret.
import { crypto } from '../base/node-builtins.ts';
import { ConfigError } from '../config/config-error.ts';
import type {
  CertificateSecretConfig,
  PemSource,
  SecretConfig,
  ValidationSecretConfig,
} from '../config/secret-config.ts';

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*CERTIFICATE-----/g;
/** A chain longer than this is an attack, or a bundle in the wrong place. */
const MAX_CHAIN = 100;
const MAX_ROOTS = 1000;

/** Throws a ConfigError that names the field; `secret` has no more files to read. */
export function checkSecret(secret: SecretConfig): void {
  if (secret.kind === 'certificate') checkCertificate(secret);
  else if (secret.kind === 'validation') checkValidation(secret);
}

const fail = (path: string, message: string): never => {
  throw new ConfigError([{ path, message }]);
};

const textOf = (source: PemSource): string => (source.kind === 'inline' ? source.pem : '');

type Certificate = InstanceType<ReturnType<typeof crypto>['X509Certificate']>;

/** Undefined: one of them is none, or there is none. */
function parse(pem: string, most: number): readonly Certificate[] | undefined {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0 || blocks.length > most) return undefined;
  const { X509Certificate } = crypto();
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

function checkCertificate(secret: CertificateSecretConfig): void {
  const [leaf] = parse(textOf(secret.certificateChain), MAX_CHAIN) ?? [];
  if (leaf === undefined)
    return fail(
      'tls_certificate.certificate_chain',
      'Failed to load certificate chain from <inline>',
    );
  const field = 'tls_certificate.private_key';
  const { createPrivateKey } = crypto();
  const passphrase = secret.password === undefined ? undefined : textOf(secret.password);
  let matches: boolean;
  try {
    const key = createPrivateKey({
      key: textOf(secret.privateKey),
      ...(passphrase !== undefined && { passphrase }),
    });
    matches = leaf.checkPrivateKey(key);
  } catch {
    return fail(field, 'Failed to load private key from <inline>');
  }
  if (!matches)
    fail(field, 'Failed to load private key from <inline>, Cause: it is not of the certificate');
}

function checkValidation(secret: ValidationSecretConfig): void {
  const { trustedCa, crl, spiffeTrustDomains = [] } = secret;
  if (trustedCa !== undefined && parse(textOf(trustedCa), MAX_ROOTS) === undefined)
    fail('validation_context.trusted_ca', 'Failed to load trusted CA certificates from <inline>');
  for (const { name, trustBundle } of spiffeTrustDomains) {
    if (parse(textOf(trustBundle), MAX_ROOTS) === undefined)
      fail(
        'validation_context.custom_validator_config',
        `Failed to load trusted CA certificate for ${name}`,
      );
  }
  if (crl !== undefined) checkCrl(textOf(crl));
}

/** Node reads revocation lists nowhere but in a context. */
function checkCrl(pem: string): void {
  try {
    process.getBuiltinModule('node:tls').createSecureContext({ crl: pem });
  } catch {
    fail('validation_context.crl', 'Failed to load CRL from <inline>');
  }
}
