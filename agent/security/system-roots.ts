// [m] Where distributions keep the bundle of public roots; the first that is there is the system's (Go: crypto/x509/root_linux.go). Node's own
// roots are not used: they would be 1.5 MB of every process that loads TLS (docs/performance.md).
import { fs } from '../../proxy/base/node-builtins.ts';

const BUNDLES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export const NO_SYSTEM_ROOTS = 'this system has no bundle of roots';

/** Undefined: there is none. */
export const systemBundle = (): string | undefined => BUNDLES.find((file) => fs.existsSync(file));
