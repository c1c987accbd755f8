// [m] /certs: the certificates that listeners and clusters have in use, by TLS context (envoy-behaviour §12.2).
import type { PemSource } from '../../config/secret-config.ts';
import { Certificate, pemBlocks } from '../../tls/certificate.ts';
import { DerError } from '../../tls/der-reader.ts';
import type { AdminContext, TlsMaterial } from '../admin-context.ts';
import { jsonResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';

const DAY_MS = 86_400_000;

export function handleCerts(context: AdminContext): AdminResponse {
  const nowMs = context.wallMs();
  const certificates = context.tlsMaterials().map(({ trustedCas, chains }: TlsMaterial) => ({
    ca_cert: trustedCas.flatMap((source) => describe(source, nowMs)),
    cert_chain: chains.flatMap((source) => describe(source, nowMs)),
  }));
  return jsonResponse({ certificates });
}

/** The first of the text: of a chain the leaf. */
function describe(source: PemSource, nowMs: number): readonly object[] {
  const certificate = source.kind === 'inline' ? firstOf(source.pem) : null;
  if (certificate === null) return [];
  const { names, validFromMs, validToMs, serial } = certificate;
  return [
    {
      path: source.path ?? '<inline>',
      serial_number: serial,
      subject_alt_names: [
        ...names.dns.map((dns) => ({ dns })),
        ...names.uri.map((uri) => ({ uri })),
        ...names.ip.map((ip) => ({ ip_address: ip })),
      ],
      days_until_expiration: String(Math.max(0, Math.floor((validToMs - nowMs) / DAY_MS))),
      valid_from: timeText(validFromMs),
      expiration_time: timeText(validToMs),
    },
  ];
}

function firstOf(pem: string): Certificate | null {
  try {
    const [der] = pemBlocks(pem, 'CERTIFICATE');
    return der === undefined ? null : new Certificate(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return null;
  }
}

const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
