// [w] CertificateCache: certificates of peers that were read once. A sidecar has few peers and many connections, and each
// certificate costs as much to read as the rest of what a handshake costs here.
import { crypto } from '../base/node-builtins.ts';
import { Certificate } from './certificate.ts';

const MOST = 1024;
/** Larger ones are read each time: strangers' certificates are kept as well, before anybody has verified them. */
const MOST_BYTES = 8192;

export class CertificateCache {
  readonly #known = new Map<string, Certificate>();

  /** `der` may be a view of something that goes; throws DerError. */
  get(der: Uint8Array): Certificate {
    const key = crypto().hash('sha256', der);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const certificate = new Certificate(new Uint8Array(der));
    if (der.length > MOST_BYTES) return certificate;
    // The one that came first goes first: better than nothing, and what is in use comes back.
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, certificate);
    return certificate;
  }
}
