// [m] /certs: the certificates that listeners and clusters have in use, by TLS context (envoy-behaviour §12.2).
import type { PemSource, SpiffeTrustDomainConfig } from '../../config/secret-config.ts';
import { Certificate, pemBlocks } from '../../tls/certificate.ts';
import { DerError } from '../../tls/der-reader.ts';
import type { AdminContext, TlsMaterial } from '../admin-context.ts';
import { jsonResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';

const DAY_MS = 86_400_000;

export function handleCerts(context: AdminContext): AdminResponse {
  const nowMs = context.wallMs();
  const certificates = context
    .tlsMaterials()
    .map(({ trustedCas, spiffeBundles, chains }: TlsMaterial) => ({
      ca_cert:
        spiffeBundles === undefined
          ? trustedCas.flatMap((source) => leafOf(source, nowMs))
          : bundled(spiffeBundles, nowMs),
      cert_chain: chains.flatMap((source) => leafOf(source, nowMs)),
    }));
  return jsonResponse({ certificates });
}

const pathOf = ({ path = '<inline>' }: PemSource): string => path;

/** The first of the text: of a chain the leaf. */
function leafOf(source: PemSource, nowMs: number): readonly object[] {
  const [first] = certificatesOf(source);
  return first === undefined ? [] : [describe(first, pathOf(source), nowMs)];
}

/** Envoy puts the name of the last trust domain and the path of its bundle to all. */
function bundled(domains: readonly SpiffeTrustDomainConfig[], nowMs: number): readonly object[] {
  const last = domains.at(-1);
  if (last === undefined) return [];
  const path = `${last.name}: ${pathOf(last.trustBundle)}`;
  return domains
    .flatMap(({ trustBundle }) => certificatesOf(trustBundle))
    .map((certificate) => describe(certificate, path, nowMs));
}

function describe(certificate: Certificate, path: string, nowMs: number): object {
  const { names, validFromMs, validToMs, serial } = certificate;
  return {
    path,
    serial_number: serial,
    subject_alt_names: [
      ...names.dns.map((dns) => ({ dns })),
      ...names.uri.map((uri) => ({ uri })),
      ...names.ip.map((ip) => ({ ip_address: ip })),
    ],
    days_until_expiration: String(Math.max(0, Math.floor((validToMs - nowMs) / DAY_MS))),
    valid_from: timeText(validFromMs),
    expiration_time: timeText(validToMs),
  };
}

function certificatesOf(source: PemSource): readonly Certificate[] {
  if (source.kind !== 'inline') return [];
  try {
    return pemBlocks(source.pem, 'CERTIFICATE').map((der) => new Certificate(der));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return [];
  }
}

const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
