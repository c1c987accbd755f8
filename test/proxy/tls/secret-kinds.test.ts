// Secrets that are not what their place asks for: nobody is let in, or trusted, for them, and no worker falls over them.
import t from 'tap';

import type { SecretConfig, SecretRef } from '../../../proxy/config/secret-config.ts';
import { secretKey } from '../../../proxy/config/secret-config.ts';
import type {
  DownstreamTlsConfig,
  UpstreamTlsConfig,
} from '../../../proxy/config/transport-socket-config.ts';
import { StringMatcher } from '../../../proxy/router/string-matcher.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { CertificateCache } from '../../../proxy/tls/certificate-cache.ts';
import { SecretStore } from '../../../proxy/tls/secret-store.ts';
import { TlsContexts } from '../../../proxy/tls/tls-contexts.ts';
import { captureLog } from '../../support/captured-log.ts';
import { TestCertificate } from '../../support/test-certificates.ts';

const root = TestCertificate.root();
const leaf = root.issue({ commonName: 'server' });

const refOf = (name: string): SecretRef => ({
  name,
  source: { kind: 'ads' },
  initialFetchTimeoutMs: 0,
});
const identity: SecretConfig = {
  kind: 'certificate',
  name: 'default',
  version: '1',
  certificateChain: { kind: 'inline', pem: leaf.pem },
  privateKey: { kind: 'inline', pem: leaf.keyPem },
};
const roots: SecretConfig = {
  kind: 'validation',
  name: 'ROOTCA',
  version: '1',
  trustedCa: { kind: 'inline', pem: root.pem },
  subjectAltNames: [],
  spkiPins: [],
  certificateHashes: [],
  allowExpired: false,
};
const noRoots: SecretConfig = { ...roots, trustedCa: undefined };

const common = {
  parameters: {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: ['ECDHE-ECDSA-AES128-GCM-SHA256'],
    curves: ['P-256'],
    signatureAlgorithms: [],
  },
  alpnProtocols: [],
  certificates: [{ kind: 'secret', secret: refOf('default') }],
} as const;
const names = {
  ...noRoots,
  subjectAltNames: [
    { type: 'URI', match: { kind: 'prefix', value: 'spiffe://td/', ignoreCase: false } },
  ],
} as const;
const alone = { inline: undefined, secret: refOf('ROOTCA') };
const combined = { inline: names, secret: refOf('ROOTCA') };

const server = (validation: DownstreamTlsConfig['validation']): DownstreamTlsConfig => ({
  ...common,
  side: 'downstream',
  validation,
  requireClientCertificate: true,
  requireSni: false,
  ticketKeys: undefined,
  disableTickets: false,
  sessionTimeoutSeconds: 7200,
  preferClientCiphers: false,
  fullScanOnSniMismatch: false,
});
const client = (validation: UpstreamTlsConfig['validation']): UpstreamTlsConfig => ({
  ...common,
  side: 'upstream',
  validation,
  sni: '',
  autoHostSni: false,
  autoSniSanValidation: false,
  maxSessionKeys: 1,
});

const rows: readonly {
  readonly what: string;
  readonly identity: SecretConfig;
  readonly roots: SecretConfig;
  readonly validation: DownstreamTlsConfig['validation'];
  readonly usable: boolean;
}[] = [
  { what: 'what is asked for', identity, roots, validation: alone, usable: true },
  { what: 'both', identity, roots, validation: combined, usable: true },
  { what: 'roots that are no roots', identity, roots: identity, validation: alone, usable: false },
  {
    what: 'roots that are no roots, beside names',
    identity,
    roots: identity,
    validation: combined,
    usable: false,
  },
  {
    what: 'names that nobody vouches for',
    identity,
    roots: noRoots,
    validation: combined,
    usable: false,
  },
  {
    what: 'an identity that is none',
    identity: roots,
    roots,
    validation: alone,
    usable: false,
  },
];

for (const row of rows) {
  t.test(row.what, (t) => {
    const secrets = new SecretStore();
    const { logger } = captureLog();
    const contexts = new TlsContexts(
      {
        secrets,
        store: new StatsStore(),
        certificates: new CertificateCache(),
        compileStringTest: (config, place) => new StringMatcher(config, place),
        ticketSecret: Buffer.alloc(32),
        wallMs: () => Date.now(),
      },
      logger,
    );
    const ours = contexts.server(server(row.validation), 'listener.l');
    const theirs = contexts.client(client(row.validation), 'cluster.c');
    t.equal(ours.current(), null, 'there are none yet');
    secrets.apply([
      { key: secretKey(refOf('default')), secret: row.identity },
      { key: secretKey(refOf('ROOTCA')), secret: row.roots },
    ]);
    t.equal(ours.current() !== null, row.usable, 'clients');
    t.equal(theirs.current() !== null, row.usable, 'servers');
    const before = ours.current();
    // A good one that is replaced by a bad one stays.
    secrets.apply([{ key: secretKey(refOf('ROOTCA')), secret: identity }]);
    t.equal(ours.current(), before);
    t.end();
  });
}
