// [m] SecretStream: one stream of SDS, in either protocol: what it asks for, and a new answer whenever that changes (istio-contract §6.9,
// envoy-behaviour §13.2, §13.3).
import type { Logger } from '../../proxy/base/logger.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import type { MaterialResult } from './secret-material.ts';
import { packSecret, SECRET_TYPE_URL } from './secret-message.ts';

export interface NamedSecret {
  readonly name: string;
  readonly resource: Any;
}

/** What differs between the protocols. */
export interface SecretProtocol<Request, Response> {
  /** The names in force after the request, or undefined where it changes none. */
  namesAfter(request: Request, before: ReadonlySet<string>): ReadonlySet<string>;
  response(secrets: readonly NamedSecret[], version: string): Response;
  /** Whether an answer has to hold every name that is asked for. */
  readonly whole: boolean;
}

export const sotwSecrets: SecretProtocol<DiscoveryRequest, DiscoveryResponse> = {
  whole: true,
  namesAfter: ({ resource_names }) => new Set(resource_names ?? []),
  response: (secrets, version) => ({
    version_info: version,
    nonce: version,
    type_url: SECRET_TYPE_URL,
    resources: secrets.map(({ resource }) => resource),
  }),
};

export const deltaSecrets: SecretProtocol<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  whole: false,
  namesAfter(request, before) {
    const names = new Set(before);
    for (const name of request.resource_names_subscribe ?? []) names.add(name);
    for (const name of request.resource_names_unsubscribe ?? []) names.delete(name);
    return names;
  },
  response: (secrets, version) => ({
    system_version_info: version,
    nonce: version,
    type_url: SECRET_TYPE_URL,
    resources: secrets.map(({ name, resource }) => ({ name, version, resource })),
  }),
};

export interface SecretRequest {
  readonly type_url?: string | undefined;
  readonly response_nonce?: string | undefined;
  readonly error_detail?: { readonly message?: string | undefined } | undefined;
}

export interface SecretStreamParts<Request, Response> {
  readonly protocol: SecretProtocol<Request, Response>;
  readonly get: (name: string) => Promise<MaterialResult>;
  readonly nextVersion: () => string;
  readonly send: (response: Response) => void;
  /** Ends the stream; the proxy comes back. */
  readonly fail: (reason: string) => void;
  readonly logger: Logger;
}

/** Envoy has a stream for each secret. */
const MAX_NAMES = 1000;

export class SecretStream<Request extends SecretRequest, Response> {
  readonly #parts: SecretStreamParts<Request, Response>;
  #names: ReadonlySet<string> = new Set();
  #closed = false;
  /** Of the answer that is being made: a later one overtakes it. */
  #round = 0;
  readonly #due = new Set<string>();

  constructor(parts: SecretStreamParts<Request, Response>) {
    this.#parts = parts;
  }

  onRequest(request: Request): void {
    const { protocol, logger } = this.#parts;
    if (request.type_url !== undefined && request.type_url !== SECRET_TYPE_URL) {
      this.#fail(`type ${request.type_url} is not served here`);
      return;
    }
    const { error_detail } = request;
    if (error_detail !== undefined)
      logger.warn(
        `proxy rejected the secret ${[...this.#names].join(', ')}: ${error_detail.message ?? ''}`,
      );
    const before = this.#names;
    this.#names = protocol.namesAfter(request, before);
    if (this.#names.size > MAX_NAMES) {
      this.#fail(`more than ${MAX_NAMES} secrets are asked for`);
      return;
    }
    for (const name of this.#names) if (!before.has(name)) this.#due.add(name);
    for (const name of this.#due) if (!this.#names.has(name)) this.#due.delete(name);
    void this.#answer();
  }

  onChange(name: string): void {
    if (!this.#names.has(name)) return;
    this.#due.add(name);
    void this.#answer();
  }

  close(): void {
    this.#closed = true;
  }

  async #answer(): Promise<void> {
    if (this.#due.size === 0 || this.#closed) return;
    const round = ++this.#round;
    const { protocol, get, send, nextVersion } = this.#parts;
    const names = [...(protocol.whole ? this.#names : this.#due)];
    const results = await Promise.all(names.map(get));
    // A newer request or change makes an answer of its own, with all that is due.
    if (round !== this.#round || this.#closed) return;
    const secrets: NamedSecret[] = [];
    for (const [index, name] of names.entries()) {
      const result = results[index]!;
      if (!result.ok) {
        this.#fail(result.reason);
        return;
      }
      secrets.push({ name, resource: packSecret(name, result.material) });
    }
    this.#due.clear();
    send(protocol.response(secrets, nextVersion()));
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.logger.warn(`SDS: ${reason}`);
    this.#parts.fail(reason);
  }
}
