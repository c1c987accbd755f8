// [m] SecureServer: ADS and certificates over TLS (istiod's 15012) for workloads that prove who they are, by a token or by a certificate of
// this authority (istio-contract §10.1).
import { isIP } from 'node:net';

import type { TimeSource, TimerHandle } from '../../proxy/base/clock.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { serveCertificates } from '../../xds-protos/certificate-service.ts';
import type { ServerTls } from '../../xds-protos/grpc-server.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import type { SubjectName } from '../security/x509-parts.ts';
import { openCaFolder } from './ca/ca-folder.ts';
import { CertificateAuthority } from './ca/certificate-authority.ts';
import type { DiscoveryServer } from './discovery-server.ts';
import type { ProvedIdentity } from './proxy-session.ts';

export interface SecureServerParts {
  /** `host:port`. */
  readonly listen: string;
  readonly caFolder: string;
  readonly discovery: DiscoveryServer;
  readonly trustDomain: () => string;
  readonly logger: Logger;
  readonly time: TimeSource;
}

/** As istiod; what a stranger sends is held before he is known. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const OWN_LIFE_MS = 86_400_000;
/** What istiod's certificate names, and so what agents ask for. */
const NAMES: readonly SubjectName[] = [
  { kind: 'dns', value: 'istiod.istio-system.svc' },
  { kind: 'dns', value: 'localhost' },
];

export class SecureServer implements Closable {
  readonly #parts: SecureServerParts;
  readonly #server = new AdsServer({ maxReceiveBytes: MAX_REQUEST_BYTES });
  readonly #authority: CertificateAuthority;
  #timer: TimerHandle | undefined;

  constructor(parts: SecureServerParts) {
    this.#parts = parts;
    const { caFolder, trustDomain, logger, time, discovery } = parts;
    const material = openCaFolder(caFolder, trustDomain(), time.wallMs());
    this.#authority = new CertificateAuthority({ material, trustDomain, logger, time });
    this.#server.addHandlers({
      delta: (stream) => this.#admit(stream, (proved) => discovery.delta(stream, proved)),
      sotw: (stream) => this.#admit(stream, (proved) => discovery.sotw(stream, proved)),
    });
    serveCertificates(this.#server, (request, caller) => this.#authority.create(request, caller));
  }

  /** Resolves with the target as bound. */
  async listen(): Promise<string> {
    const target = await this.#server.listen(this.#parts.listen, this.#ownTls());
    this.#renewLater();
    return target;
  }

  close(): void {
    this.#timer?.cancel();
    this.#server.close();
  }

  #ownTls(): ServerTls {
    const host = this.#parts.listen.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
    const own: SubjectName = { kind: isIP(host) === 0 ? 'dns' : 'ip', value: host };
    return this.#authority.serverTls([...NAMES, own], OWN_LIFE_MS);
  }

  #renewLater(): void {
    this.#timer = this.#parts.time.setTimer(() => {
      this.#server.replaceTls(this.#ownTls());
      this.#renewLater();
    }, OWN_LIFE_MS / 2);
  }

  #admit<Sent, Received>(
    stream: AdsServerStream<Sent, Received>,
    serve: (proved: ProvedIdentity) => void,
  ): void {
    const proved = this.#authority.callerOf({
      headers: stream.metadata,
      certificate: stream.peerCertificate,
    });
    if (proved !== undefined) serve(proved);
    else stream.end({ code: statusCode.unauthenticated, reason: 'authentication failure' });
  }
}
