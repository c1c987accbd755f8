// [m] Recorder: writes down what one proxy has taken of its stream: responses that it acknowledged, names that it let go.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Resource } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { Dialect, RelayedRequest, RelayedResponse } from '../xds-proxy/dialect.ts';
import {
  CLUSTER,
  ENDPOINTS,
  EXTENSION_CONFIG,
  LISTENER,
  ROUTE,
  SECRET,
} from '../xds-proxy/type-urls.ts';
import type { Change } from './kept-config.ts';
import type { LastGoodFile } from './last-good-file.ts';

/** What a proxy must have before it can serve. */
const NEEDED = [CLUSTER, LISTENER];
const MAX_UNANSWERED = 64;
/** A request that follows from what was just acknowledged is on its way by then. */
const SETTLE_AFTER_MS = 1000;
/** istiod puts the credentials of registries into the configuration of Wasm filters. */
const PULL_SECRET = Buffer.from('ISTIO_META_WASM_IMAGE_PULL_SECRET');
/** Of PEM; keys come by SDS, but an EnvoyFilter can hold anything. */
const PRIVATE_KEY = Buffer.from('PRIVATE KEY-----');
/** Of PKCS #12: 1.2.840.113549.1.12.10.1, what its bags are called (RFC 7292). */
const PKCS12_BAG = Buffer.from('2a864886f70d010c0a01', 'hex');

export class Recorder<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly #dialect: Dialect<Request, Response>;
  readonly #file: LastGoodFile;
  readonly #time: TimeSource;
  /** By nonce, until the proxy says what it thinks of them. */
  readonly #unanswered = new Map<string, Change>();
  readonly #asked = new Set<string>();
  readonly #taken = new Set<string>();
  /** What the proxy asks for; only where a request names all of it. */
  readonly #names = new Map<string, ReadonlySet<string>>();
  #timer: TimerHandle | undefined;

  constructor(dialect: Dialect<Request, Response>, file: LastGoodFile, time: TimeSource) {
    this.#dialect = dialect;
    this.#file = file;
    this.#time = time;
  }

  onResponse(response: Response): void {
    const change = this.#changeOf(response);
    if (change === undefined) return;
    if (this.#unanswered.size >= MAX_UNANSWERED) {
      const [oldest] = this.#unanswered.keys();
      this.#unanswered.delete(oldest!);
    }
    this.#unanswered.set(response.nonce ?? '', change);
  }

  onRequest(request: Request): void {
    const typeUrl = request.type_url ?? '';
    if (typeUrl === SECRET) return;
    if (this.#asked.size === 0 && this.#dialect.isFresh(request)) this.#file.startOver();
    this.#asked.add(typeUrl);
    const change = this.#unanswered.get(request.response_nonce ?? '');
    if (change !== undefined) {
      this.#unanswered.delete(request.response_nonce ?? '');
      const problem = request.error_detail;
      const taken = problem === undefined ? change : withoutRejected(change, problem.message ?? '');
      if (taken !== undefined) this.#take(taken);
    }
    this.#letGo(typeUrl, request);
  }

  /** What the agent keeps for itself: each response says all of it, and what it says has no name. */
  onAccepted(response: Response): void {
    const change = this.#changeOf(response);
    if (change !== undefined) this.#file.append({ ...change, full: true });
  }

  close(): void {
    this.#timer?.cancel();
  }

  #take(change: Change): void {
    this.#file.append(change);
    this.#taken.add(change.typeUrl);
    if (this.#isWhole()) this.#timer ??= this.#time.setTimer(() => this.#settle(), SETTLE_AFTER_MS);
  }

  #isWhole(): boolean {
    const missing = [ENDPOINTS, ROUTE].filter((type) => this.#asked.has(type));
    return [...NEEDED, ...missing].every((type) => this.#taken.has(type));
  }

  #settle(): void {
    this.#timer = undefined;
    if (this.#isWhole()) this.#file.settle();
  }

  #letGo(typeUrl: string, request: Request): void {
    const dialect = this.#dialect;
    const removed = dialect.dropped(request, this.#names.get(typeUrl));
    if (dialect.name === 'sotw' && typeUrl !== CLUSTER && typeUrl !== LISTENER)
      this.#names.set(typeUrl, new Set(dialect.names(request)));
    if (removed.length > 0)
      this.#file.append({ typeUrl, version: '', full: false, resources: [], removed });
  }

  #changeOf(response: Response): Change | undefined {
    const change = this.#dialect.change(response);
    if (change.typeUrl === SECRET) return undefined;
    if (change.resources.some((each) => holds(each, PRIVATE_KEY) || holds(each, PKCS12_BAG))) {
      this.#file.giveUp(`a resource of type ${change.typeUrl} holds a private key`);
      return undefined;
    }
    if (change.typeUrl !== EXTENSION_CONFIG) return change;
    return { ...change, resources: change.resources.filter((each) => !holds(each, PULL_SECRET)) };
  }
}

function holds({ resource }: Resource, text: Buffer): boolean {
  const value = resource?.value ?? new Uint8Array();
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(text);
}

/** A proxy that rejects a response takes the resources that its answer does not name. Undefined: it names none. */
function withoutRejected(change: Change, problem: string): Change | undefined {
  const resources = change.resources.filter(({ name = '' }) => !problem.includes(name));
  if (resources.length === change.resources.length) return undefined;
  return { ...change, full: false, resources };
}
