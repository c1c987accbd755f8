// [m] CertificateAuthority: who calls, and a certificate for exactly that name (istio-contract §6.9, §10.1). Istio: security/pkg/server/ca.
import type { TimeSource } from '../../../proxy/base/clock.ts';
import type { Logger } from '../../../proxy/base/logger.ts';
import { statusCode } from '../../../xds-protos/ads-stream.ts';
import type {
  CertificateAnswer,
  CertificateCaller,
  CertificateRequest,
} from '../../../xds-protos/certificate-service.ts';
import type { ServerTls } from '../../../xds-protos/grpc-server.ts';
import { crypto } from '../../../proxy/base/node-builtins.ts';
import type { SubjectName } from '../../security/x509-parts.ts';
import type { CaMaterial } from './ca-folder.ts';
import { issueLeaf } from './certificate-issuer.ts';
import { readCertificateFacts } from './certificate-names.ts';
import { readCertificateRequest } from './request-reader.ts';
import { verifyToken } from './service-account-token.ts';
import type { ServiceAccount } from './service-account-token.ts';

const DEFAULT_LIFE_S = 86_400;
/** istiod's MAX_WORKLOAD_CERT_TTL. */
const MOST_LIFE_S = 90 * 86_400;
const CLOCK_SKEW_MS = 120_000;
const BEARER = 'Bearer ';

const refusal = (code: number, reason: string): CertificateAnswer => ({
  ok: false,
  status: { code, reason },
});

export interface AuthorityParts {
  readonly material: CaMaterial;
  /** Read at each call: the mesh config may change. */
  readonly trustDomain: () => string;
  readonly logger: Logger;
  readonly time: TimeSource;
}

export class CertificateAuthority {
  readonly #parts: AuthorityParts;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
  }

  /** By the certificate of the connection, else by the token. */
  callerOf({ certificate, headers }: CertificateCaller): ServiceAccount | undefined {
    if (certificate !== undefined) return this.#accountOfCertificate(certificate);
    const header = headers.get('authorization') ?? '';
    if (!header.startsWith(BEARER)) return undefined;
    const { material, time } = this.#parts;
    return verifyToken(
      header.slice(BEARER.length),
      crypto().createPublicKey(material.tokenKey),
      time.wallMs(),
    );
  }

  create(request: CertificateRequest, caller: CertificateCaller): CertificateAnswer {
    const { logger, time, material } = this.#parts;
    const account = this.callerOf(caller);
    if (account === undefined)
      return refusal(statusCode.unauthenticated, 'request authenticate failure');
    const lifeS = Number(request.validity_duration ?? 0);
    if (lifeS > MOST_LIFE_S) {
      return refusal(
        statusCode.invalidArgument,
        `requested TTL ${lifeS}s is greater than the max allowed TTL ${MOST_LIFE_S}s`,
      );
    }
    let spki: Uint8Array;
    try {
      spki = readCertificateRequest(request.csr ?? '');
    } catch (error) {
      return refusal(statusCode.invalidArgument, `the CSR ${(error as Error).message}`);
    }
    const name = `spiffe://${this.#parts.trustDomain()}/ns/${account.namespace}/sa/${account.name}`;
    const nowMs = time.wallMs();
    const wantedMs = nowMs + (lifeS > 0 ? lifeS : DEFAULT_LIFE_S) * 1000;
    const leaf = this.#issue(spki, [{ kind: 'uri', value: name }], wantedMs);
    logger.info(`certificate for ${name}`, {
      until: new Date(Math.min(wantedMs, material.notAfterMs)).toISOString(),
    });
    return { ok: true, chain: [leaf, ...material.intermediates, material.rootPem] };
  }

  /** What the control plane itself serves with, on `hosts`. */
  serverTls(hosts: readonly SubjectName[], lifeMs: number): ServerTls {
    const { material, time } = this.#parts;
    const { privateKey, publicKey } = crypto().generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const leaf = this.#issue(spki, hosts, time.wallMs() + lifeMs);
    return {
      clientRootPem: material.rootPem,
      chainPem: [leaf, ...material.intermediates].join(''),
      keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    };
  }

  #issue(spki: Uint8Array, names: readonly SubjectName[], untilMs: number): string {
    const { material, time } = this.#parts;
    return issueLeaf(
      material.issuer,
      { spki, names },
      {
        notBeforeMs: time.wallMs() - CLOCK_SKEW_MS,
        notAfterMs: Math.min(untilMs, material.notAfterMs),
      },
    );
  }

  /** TLS has verified that it leads to our root. */
  #accountOfCertificate(der: Uint8Array): ServiceAccount | undefined {
    let uris: readonly string[];
    try {
      ({ uris } = readCertificateFacts(der));
    } catch {
      return undefined;
    }
    const prefix = `spiffe://${this.#parts.trustDomain()}/ns/`;
    const [uri, more] = uris;
    if (uri === undefined || more !== undefined || !uri.startsWith(prefix)) return undefined;
    const [, namespace, name] =
      /^([a-z0-9.-]+)\/sa\/([a-z0-9.-]+)$/.exec(uri.slice(prefix.length)) ?? [];
    return namespace === undefined || name === undefined ? undefined : { namespace, name };
  }
}
