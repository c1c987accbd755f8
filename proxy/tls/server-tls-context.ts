// [w] ServerTlsContext: a DownstreamTlsContext in force. It is built when the first client comes, and again when a secret it was
// built of has changed; handshakes and connections that are under way stay on what they began with (envoy-behaviour §9.4).
import type { CertificateSecretConfig, ValidationSecretConfig } from '../config/secret-config.ts';
import { secretKey } from '../config/secret-config.ts';
import type { DownstreamTlsConfig } from '../config/transport-socket-config.ts';
import { secretsOf } from '../config/transport-socket-config.ts';
import type { SecureContextOptions } from 'node:tls';
import { alpnWire } from './alpn.ts';
import type { Certificate } from './certificate.ts';
import { offersSession } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import { contextOptions, fingerprintOf, loadCertificate } from './context-options.ts';
import type { CertificateMaterial } from './context-options.ts';
import type { NativeContexts } from './native-contexts.ts';
import { PeerTrust } from './peer-trust.ts';
import { dnsNameMatches } from './san-matcher.ts';
import { SecretBound } from './secret-bound.ts';
import { SslStats } from './ssl-stats.ts';
import { TicketKeys } from './ticket-keys.ts';
import type { NativeContext } from './tls-binding.ts';
import type { TlsEnvironment } from './tls-environment.ts';
import { takesEcdsa } from './tls-groups.ts';
import { mergeValidation } from './validation-merge.ts';

export class ServerCertificate {
  readonly leaf: Certificate;
  readonly #natives: NativeContexts;
  readonly #options: SecureContextOptions;
  readonly #tickets: TicketKeys;
  readonly #native: NativeContext;
  /** For clients that come back; made for the first of them. */
  #renewing: NativeContext | null = null;

  constructor(
    leaf: Certificate,
    natives: NativeContexts,
    options: SecureContextOptions,
    tickets: TicketKeys,
  ) {
    this.leaf = leaf;
    this.#natives = natives;
    this.#options = { ...options, ticketKeys: tickets.first };
    this.#tickets = tickets;
    this.#native = natives.get(this.#options, tickets.several ? tickets : null);
  }

  /** Both take the same tickets; see ticket-keys.ts for what each costs. */
  contextFor(hello: ClientHello | null): NativeContext {
    if (this.#tickets.several || hello === null || !offersSession(hello)) return this.#native;
    return (this.#renewing ??= this.#natives.get(this.#options, this.#tickets));
  }
}

/** One state of the secrets, compiled. */
export interface ServerTlsState {
  readonly certificates: readonly ServerCertificate[];
  readonly trust: PeerTrust | null;
}

export class ServerTlsContext {
  readonly config: DownstreamTlsConfig;
  readonly environment: TlsEnvironment;
  readonly stats: SslStats;
  readonly #natives: NativeContexts;
  /** By what the client offers, as one text. */
  readonly #alpn = new Map<string, Buffer | null>();
  readonly #state: SecretBound<ServerTlsState>;

  /** `scope`: `listener.<stat_prefix>`. `onProblem`: secrets that cannot be used; the state before stays in force. */
  constructor(
    config: DownstreamTlsConfig,
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
  current(): ServerTlsState | null {
    return this.#state.current();
  }

  /** Which certificate a client gets (envoy-behaviour §9.3): by its SNI, else the first; of the kind it can use. */
  choose(state: ServerTlsState, hello: ClientHello | null): ServerCertificate {
    const { certificates } = state;
    const [first] = certificates;
    if (certificates.length === 1 || hello === null) return first!;
    const name = hello.serverName;
    const ecdsa = takesEcdsa(hello);
    if (name !== '') {
      const exact = certificates.filter(({ leaf }) => namesOf(leaf).includes(name));
      const named = exact.length > 0 ? exact : certificates.filter(({ leaf }) => isFor(leaf, name));
      const usable = preferred(named, ecdsa);
      if (usable !== undefined) return usable;
      if (!this.config.fullScanOnSniMismatch && named.length === 0) return first!;
    }
    return preferred(certificates, ecdsa) ?? first!;
  }

  /** The one protocol to agree on, for the handle; null: none, and the handshake goes on without. */
  alpnFor(hello: ClientHello | null): Buffer | null {
    const { alpnProtocols } = this.config;
    if (hello === null || alpnProtocols.length === 0) return null;
    const chosen = alpnProtocols.find((name) => hello.applicationProtocols.includes(name));
    if (chosen === undefined) return null;
    let wire = this.#alpn.get(chosen);
    if (wire === undefined) {
      wire = alpnWire([chosen]);
      this.#alpn.set(chosen, wire);
    }
    return wire;
  }

  #build(): ServerTlsState {
    const { config, environment } = this;
    const validation = mergeValidation(config.validation, environment.secrets);
    const trust = validation && new PeerTrust(validation, environment.compileStringTest);
    const materials = this.#certificateConfigs().map(loadCertificate);
    const certificates = materials.map((material) => {
      const fingerprint = this.#fingerprint(material, validation, trust);
      const options = {
        ...contextOptions(config, material, trust),
        sessionIdContext: fingerprint.toString('base64').slice(0, 32),
        sessionTimeout: config.sessionTimeoutSeconds,
      };
      const tickets = new TicketKeys(
        this.#ticketSecrets() ?? [environment.ticketSecret],
        fingerprint,
      );
      return new ServerCertificate(material.chain[0]!, this.#natives, options, tickets);
    });
    for (const { name, chain } of materials) this.stats.setExpiration('cert', name, chain);
    if (trust !== null && trust.caPem !== '')
      this.stats.setExpiration('ca_cert', config.validation?.secret?.name ?? '', trust.anchors);
    return { certificates, trust };
  }

  #certificateConfigs(): readonly CertificateSecretConfig[] {
    const { secrets } = this.environment;
    return this.config.certificates.map((source) =>
      source.kind === 'inline' ? source.certificate : secrets.certificate(source.secret),
    );
  }

  /** A session is taken by a context of the same trust only (attack checklist 63). */
  #fingerprint(
    material: CertificateMaterial,
    validation: ValidationSecretConfig | null,
    trust: PeerTrust | null,
  ): Buffer {
    const told = { ...validation, version: '', ca: trust?.caPem, crl: trust?.crlPem };
    return fingerprintOf(this.config, material, told);
  }

  #ticketSecrets(): readonly Uint8Array[] | undefined {
    const source = this.config.ticketKeys;
    if (source === undefined) return undefined;
    if (source.kind === 'inline') return source.keys.keys;
    return this.environment.secrets.ticketKeys(secretKey(source.secret))?.keys;
  }
}

const preferred = (
  certificates: readonly ServerCertificate[],
  ecdsa: boolean,
): ServerCertificate | undefined =>
  (ecdsa ? certificates.find(({ leaf }) => leaf.keyType === 'ecdsa') : undefined) ??
  certificates.find(({ leaf }) => leaf.keyType !== 'ecdsa');

/** Of DNS names, else the common name. */
function namesOf(leaf: Certificate): readonly string[] {
  if (leaf.names.dns.length > 0) return leaf.names.dns.map((name) => name.toLowerCase());
  const common = /(?:^|,)CN=([^,+\\]+)/.exec(leaf.subject);
  return common === null ? [] : [common[1]!.toLowerCase()];
}

const isFor = (leaf: Certificate, name: string): boolean =>
  namesOf(leaf).some((pattern) => pattern.startsWith('*.') && dnsNameMatches(name, pattern));
