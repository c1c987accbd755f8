// [m] TLS towards one gRPC server by what a program was given (roots, identity, name), on the proxy's TLS (docs/adr/0014-tls-handles.md). Apart,
// so that who speaks plaintext never loads it.
import type { ClientTls } from '../../xds-protos/grpc-channel.ts';
import type { UpstreamTlsConfig } from '../config/transport-socket-config.ts';
import { parseIp, printIp } from '../network/address.ts';
import type { UpstreamTransport } from '../network/upstream-transport.ts';
import { CertificateCache } from '../tls/certificate-cache.ts';
import { ClientTlsContext } from '../tls/client-tls-context.ts';
import { ClientTransport } from '../tls/client-transport.ts';
import { NativeContexts } from '../tls/native-contexts.ts';
import { SecretStore } from '../tls/secret-store.ts';
import type { GrpcThread } from './grpc-thread.ts';

const PARAMETERS: UpstreamTlsConfig['parameters'] = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  // What Go offers by default, in its order where both libraries have it.
  cipherSuites: [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ],
  curves: ['X25519', 'P-256', 'P-384', 'P-521'],
  signatureAlgorithms: [],
};

/** Throws in words that hold nothing of what was given. `host`: of the target. */
export function clientTransport(
  { rootPem, identity, serverName }: ClientTls,
  host: string,
  thread: GrpcThread,
): UpstreamTransport {
  const config: UpstreamTlsConfig = {
    side: 'upstream',
    parameters: PARAMETERS,
    alpnProtocols: ['h2'],
    certificates: identity === undefined ? [] : [{ kind: 'inline', certificate: shown(identity) }],
    validation: { inline: validationBy(rootPem), secret: undefined },
    sni: '',
    autoHostSni: false,
    autoSniSanValidation: false,
    maxSessionKeys: 0,
  };
  let problem = '';
  const context = new ClientTlsContext(config, 'grpc', shared(thread), (message) => {
    problem = message;
  });
  if (context.current() === null) throw new Error(problem);
  const name = serverName ?? host;
  const ip = parseIp(name);
  return new ClientTransport(context, {
    // SNI carries names only; an address is checked against the certificate all the same.
    serverName: ip === null ? name : '',
    applicationProtocols: ['h2'],
    requiredNames: [ip === null ? name : printIp(ip)],
  });
}

const inline = (pem: string) => ({ kind: 'inline', pem }) as const;

const shown = ({ chainPem, keyPem }: NonNullable<ClientTls['identity']>) =>
  ({
    kind: 'certificate',
    name: 'identity',
    version: '',
    certificateChain: inline(chainPem),
    privateKey: inline(keyPem),
  }) as const;

const validationBy = (rootPem: string) =>
  ({
    kind: 'validation',
    name: 'roots',
    version: '',
    trustedCa: inline(rootPem),
    subjectAltNames: [],
    spkiPins: [],
    certificateHashes: [],
    allowExpired: false,
  }) as const;

const shared = ({ stats, time }: GrpcThread) => ({
  environment: {
    secrets: new SecretStore(),
    store: stats,
    certificates: new CertificateCache(),
    // For patterns of configurations, of which there is none.
    compileStringTest: () => ({ matches: () => false }),
    ticketSecret: new Uint8Array(0),
    wallMs: () => time.wallMs(),
  },
  natives: new NativeContexts(),
});
