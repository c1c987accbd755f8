// TLS in bootstraps and on the client's side: contexts as JSON, one attempt to get in.
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

import type { TestCertificate } from './test-certificates.ts';

type Json = { readonly [key: string]: unknown };

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

export const certificateOf = (
  leaf: TestCertificate,
  ...issuers: readonly TestCertificate[]
): Json => ({
  certificate_chain: { inline_string: [leaf, ...issuers].map(({ pem }) => pem).join('') },
  private_key: { inline_string: leaf.keyPem },
});

export const caOf = (...authorities: readonly TestCertificate[]): Json => ({
  trusted_ca: { inline_string: authorities.map(({ pem }) => pem).join('') },
});

export const san = (type: string, matcher: Json, more: Json = {}): Json => ({
  san_type: type,
  matcher,
  ...more,
});

export const downstreamTls = (common: Json, more: Json = {}): Json => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: { '@type': `${TLS}.DownstreamTlsContext`, common_tls_context: common, ...more },
});

export const upstreamTls = (common: Json, more: Json = {}): Json => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: common, ...more },
});

export const spiffeValidator = (
  bundles: Readonly<Record<string, Pick<TestCertificate, 'pem'>>>,
): Json => ({
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: {
      '@type': `${TLS}.SPIFFECertValidatorConfig`,
      trust_domains: Object.entries(bundles).map(([name, root]) => ({
        name,
        trust_bundle: { inline_string: root.pem },
      })),
    },
  },
});

export interface Attempt {
  /** The first line of an answer; '' where there was none. */
  readonly status: string;
  readonly body: string;
  readonly session: Buffer | undefined;
  readonly resumed: boolean;
  readonly alpn: string;
  readonly peer: string;
  /** Why the client gave up; '' where it did not. */
  readonly error: string;
}

const NOTHING = { session: undefined, resumed: false, alpn: '', peer: '' };

/** A handshake, one request, its answer. */
export function attempt(
  port: number,
  options: ConnectionOptions = {},
  request = 'GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n',
): Promise<Attempt> {
  return new Promise((resolve) => {
    let session: Buffer | undefined;
    let text = '';
    let secured = { ...NOTHING };
    const socket: TLSSocket = tlsConnect(
      { host: '127.0.0.1', port, rejectUnauthorized: false, ...options },
      () => {
        secured = {
          ...NOTHING,
          resumed: socket.isSessionReused(),
          alpn: socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? ''),
          peer: String(socket.getPeerCertificate().subject?.CN ?? ''),
        };
        socket.write(request);
      },
    );
    const finish = (error: string): void => {
      socket.destroy();
      const [head = '', body = ''] = text.split('\r\n\r\n');
      resolve({ status: head.split('\r\n')[0]!, body, ...secured, session, error });
    };
    socket.on('session', (ticket: Buffer) => (session = ticket));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', (error: Error & { code?: string }) => finish(error.code ?? error.message));
    socket.on('end', () => finish(''));
    socket.on('close', () => finish(''));
    socket.setTimeout(10_000, () => finish('timeout'));
  });
}

/** Bytes without TLS; what comes back until the end, in one text. */
export function plainAttempt(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    socket.setTimeout(10_000, () => socket.destroy());
  });
}
