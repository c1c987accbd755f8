// [m] Secrets whose parts lie in files: read on main, so that workers get everything inline and whole (envoy-behaviour §9.4, file secrets).
import { resolve } from 'node:path';

import { fs } from '../base/node-builtins.ts';
import type { PemSource, SecretConfig } from '../config/secret-config.ts';
import { ConfigError } from '../config/config-error.ts';

/** A bundle of all public roots is a quarter of it. */
const MAX_FILE_BYTES = 1_048_576;

/** The files that a secret names. */
export function filesOf(secret: SecretConfig): readonly string[] {
  return sourcesOf(secret).flatMap((source) => (source?.kind === 'file' ? [source.path] : []));
}

/** The same with what the files hold now. Throws a ConfigError that names file and field. */
export function withFilesRead(secret: SecretConfig): SecretConfig {
  switch (secret.kind) {
    case 'certificate': {
      const field = 'tls_certificate.';
      const password = inline(secret.password, `${field}password`);
      return {
        ...secret,
        certificateChain: inline(secret.certificateChain, `${field}certificate_chain`),
        privateKey: inline(secret.privateKey, `${field}private_key`),
        ...(password !== undefined && { password }),
      };
    }
    case 'validation': {
      const field = 'validation_context.';
      const crl = inline(secret.crl, `${field}crl`);
      return {
        ...secret,
        trustedCa: inline(secret.trustedCa, `${field}trusted_ca`),
        ...(crl !== undefined && { crl }),
        ...(secret.spiffeTrustDomains !== undefined && {
          spiffeTrustDomains: secret.spiffeTrustDomains.map((domain, index) => ({
            ...domain,
            trustBundle: inline(
              domain.trustBundle,
              `${field}custom_validator_config.trust_domains[${index}].trust_bundle`,
            ),
          })),
        }),
      };
    }
    case 'ticket_keys':
      return secret;
    case 'generic':
      return { ...secret, secret: inline(secret.secret, 'generic_secret.secret') };
  }
}

function sourcesOf(secret: SecretConfig): readonly (PemSource | undefined)[] {
  switch (secret.kind) {
    case 'certificate':
      return [secret.certificateChain, secret.privateKey, secret.password];
    case 'validation':
      return [
        secret.trustedCa,
        secret.crl,
        ...(secret.spiffeTrustDomains ?? []).map(({ trustBundle }) => trustBundle),
      ];
    case 'ticket_keys':
      return [];
    case 'generic':
      return [secret.secret];
  }
}

function inline<T extends PemSource | undefined>(source: T, field: string): T | PemSource {
  if (source === undefined || source.kind === 'inline') return source;
  return { kind: 'inline', pem: readFile(source.path, field), path: source.path };
}

function readFile(path: string, field: string): string {
  const fail = (message: string): never => {
    throw new ConfigError([{ path: field, message }]);
  };
  try {
    const { size } = fs.statSync(path);
    if (size > MAX_FILE_BYTES) return fail(`file ${path} is larger than ${MAX_FILE_BYTES} bytes`);
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    return fail(
      code === 'ENOENT' ? `Invalid path: ${resolve(path)}` : `unable to read file: ${path}`,
    );
  }
}
