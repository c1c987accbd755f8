// [m] Delta protocol of ADS: subscribe and unsubscribe sets, one ACK or NACK per response, versions told on reconnect
// (envoy-behaviour §13.3, istio-contract §1.6).
import type { Logger } from '../base/logger.ts';
import type {
  AdsMux,
  AdsRequest,
  AdsResponse,
  DeltaAdsRequest,
  SubscriptionMap,
} from './ads-mux.ts';
import { KIND_ORDER, askedNames, findByTypeUrl, mayAsk, sameNames } from './ads-mux.ts';
import type { NamedResourceKind, XdsResourceKind } from './resource-watcher.ts';
import type { SubscriptionState } from './subscription-state.ts';

interface PendingAck {
  readonly nonce: string;
  readonly nack: string | undefined;
}

/** What this stream has been told about one type. */
class TypeOnStream {
  asked = false;
  /** Names the server knows we want. */
  sentNames: ReadonlySet<string> = new Set();
  readonly acks: PendingAck[] = [];
}

const NO_NAMES: readonly string[] = [];
const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

/** Names of `wanted` that `present` has not; sets of names are replaced, never changed, so the same set costs nothing. */
function missingIn(present: ReadonlySet<string>, wanted: ReadonlySet<string>): readonly string[] {
  if (present === wanted) return NO_NAMES;
  return [...wanted].filter((name) => !present.has(name));
}

export class DeltaMux implements AdsMux {
  readonly #subscriptions: SubscriptionMap;
  readonly #log: Logger;
  #onStream = new Map<XdsResourceKind, TypeOnStream>();
  #send: ((request: AdsRequest) => void) | undefined = undefined;
  #applying = false;

  constructor(subscriptions: SubscriptionMap, log: Logger) {
    this.#subscriptions = subscriptions;
    this.#log = log;
  }

  onStreamOpen(send: (request: AdsRequest) => void): void {
    this.#onStream = new Map(KIND_ORDER.map((kind) => [kind, new TypeOnStream()]));
    this.#send = send;
    this.#flush();
  }

  onStreamEnd(): void {
    this.#send = undefined;
  }

  onResponse(response: AdsResponse): void {
    const subscription = findByTypeUrl(this.#subscriptions, response.typeUrl);
    const onStream = subscription && this.#onStream.get(subscription.type.kind);
    if (subscription === undefined || onStream === undefined || !onStream.asked) {
      this.#log.warn(`dropped a response of type ${response.typeUrl} that was not asked for`);
      return;
    }
    this.#applying = true;
    let nack: string | undefined;
    try {
      nack = subscription.apply(response);
    } finally {
      this.#applying = false;
    }
    onStream.acks.push({ nonce: response.nonce, nack });
    this.#flush();
  }

  onWaitOver(): void {
    this.#flush();
  }

  setNames(kind: NamedResourceKind, names: ReadonlySet<string>): void {
    const subscription = this.#subscriptions.get(kind);
    if (subscription === undefined || sameNames(subscription.names, names)) return;
    subscription.setNames(names);
    this.#flush();
  }

  /** Not while a response is worked through: what a watcher wishes goes out after the ACK (§13.5, pausing). */
  #flush(): void {
    if (this.#applying || this.#send === undefined) return;
    for (const kind of KIND_ORDER) {
      const subscription = this.#subscriptions.get(kind);
      const onStream = this.#onStream.get(kind);
      if (subscription !== undefined && onStream !== undefined)
        this.#flushType(subscription, onStream);
    }
  }

  #flushType(subscription: SubscriptionState<unknown>, onStream: TypeOnStream): void {
    if (!onStream.asked) {
      // An empty first list would mean "everything" (istio-contract §1.6).
      if (subscription.wanted && mayAsk(subscription.type.kind, this.#subscriptions)) {
        this.#askFirst(subscription, onStream);
      }
      return;
    }
    for (let ack = onStream.acks.shift(); ack !== undefined; ack = onStream.acks.shift()) {
      this.#sendRequest(subscription, onStream, ack);
    }
    if (!sameNames(onStream.sentNames, subscription.names))
      this.#sendRequest(subscription, onStream, undefined);
  }

  #askFirst(subscription: SubscriptionState<unknown>, onStream: TypeOnStream): void {
    onStream.asked = true;
    onStream.sentNames = subscription.names;
    subscription.onSubscribed();
    this.#emit({
      mode: 'delta',
      typeUrl: subscription.type.typeUrl,
      subscribe: askedNames(subscription),
      unsubscribe: NO_NAMES,
      initialVersions: new Map(subscription.heldVersions()),
      nonce: '',
      nack: undefined,
    });
  }

  /** An ACK carries whatever changed in the names since the last request. */
  #sendRequest(
    subscription: SubscriptionState<unknown>,
    onStream: TypeOnStream,
    ack: PendingAck | undefined,
  ): void {
    const before = onStream.sentNames;
    const now = subscription.names;
    onStream.sentNames = now;
    this.#emit({
      mode: 'delta',
      typeUrl: subscription.type.typeUrl,
      subscribe: missingIn(before, now),
      unsubscribe: missingIn(now, before),
      initialVersions: NO_VERSIONS,
      nonce: ack?.nonce ?? '',
      nack: ack?.nack,
    });
  }

  #emit(request: DeltaAdsRequest): void {
    this.#send?.(request);
  }
}
