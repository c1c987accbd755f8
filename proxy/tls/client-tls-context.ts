// [w] ClientTlsContext: an UpstreamTlsContext in force for one cluster, with the sessions that may be resumed. Built anew, and
// without sessions, when a secret it was built of has changed.
import type { CertificateSecretConfig } from '../config/secret-config.ts';
import type { UpstreamTlsConfig } from '../config/transport-socket-config.ts';
import { secretsOf } from '../config/transport-socket-config.ts';
import type { Certificate } from './certificate.ts';
import { contextOptions, loadCertificate } from './context-options.ts';
import type { NativeContexts } from './native-contexts.ts';
import { PeerTrust } from './peer-trust.ts';
import { SecretBound } from './secret-bound.ts';
import { SslStats } from './ssl-stats.ts';
import type { NativeContext } from './tls-binding.ts';
import type { TlsEnvironment } from './tls-environment.ts';
import { mergeValidation } from './validation-merge.ts';

export class ClientTlsState {
  readonly native: NativeContext;
  readonly trust: PeerTrust | null;
  readonly local: Certificate | null;
  readonly #mostSessions: number;
  /** The newest last. */
  #sessions: { readonly serverName: string; readonly session: Buffer }[] = [];

  constructor(parts: Pick<ClientTlsState, 'native' | 'trust' | 'local'>, mostSessions: number) {
    this.native = parts.native;
    this.trust = parts.trust;
    this.local = parts.local;
    this.#mostSessions = mostSessions;
  }

  keepSession(serverName: string, session: Buffer): void {
    if (this.#mostSessions === 0) return;
    if (this.#sessions.length >= this.#mostSessions) this.#sessions.shift();
    this.#sessions.push({ serverName, session });
  }

  /** Null: none. A ticket of TLS 1.3 serves once, so the one that is given is gone. */
  takeSession(serverName: string): Buffer | null {
    for (let i = this.#sessions.length - 1; i >= 0; i--) {
      if (this.#sessions[i]!.serverName !== serverName) continue;
      return this.#sessions.splice(i, 1)[0]!.session;
    }
    return null;
  }
}

export class ClientTlsContext {
  readonly config: UpstreamTlsConfig;
  readonly environment: TlsEnvironment;
  readonly stats: SslStats;
  readonly #natives: NativeContexts;
  readonly #state: SecretBound<ClientTlsState>;

  /** `scope`: `cluster.<name>`. */
  constructor(
    config: UpstreamTlsConfig,
    scope: string,
    shared: { readonly environment: TlsEnvironment; readonly natives: NativeContexts },
    onProblem: (message: string) => void,
  ) {
    this.config = config;
    this.environment = shared.environment;
    this.#natives = shared.natives;
    this.stats = new SslStats(shared.environment.store, scope);
    const { secrets } = shared.environment;
    this.#state = new SecretBound(secrets, secretsOf(config), () => this.#build(), onProblem);
  }

  /** Null while secrets are missing. */
  current(): ClientTlsState | null {
    return this.#state.current();
  }

  #build(): ClientTlsState {
    const { config, environment } = this;
    const validation = mergeValidation(config.validation, environment.secrets);
    const trust = validation && new PeerTrust(validation, environment.compileStringTest);
    const secret = this.#certificate();
    const material = secret === undefined ? null : loadCertificate(secret);
    const native = this.#natives.get(contextOptions(config, material, trust));
    if (material !== null) this.stats.setExpiration('cert', material.name, material.chain);
    if (trust !== null && trust.caPem !== '')
      this.stats.setExpiration('ca_cert', config.validation?.secret?.name ?? '', trust.anchors);
    const local = material?.chain[0] ?? null;
    return new ClientTlsState({ native, trust, local }, config.maxSessionKeys);
  }

  #certificate(): CertificateSecretConfig | undefined {
    const [source] = this.config.certificates;
    if (source === undefined) return undefined;
    if (source.kind === 'inline') return source.certificate;
    return this.environment.secrets.certificate(source.secret);
  }
}
