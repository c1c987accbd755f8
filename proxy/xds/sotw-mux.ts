// [m] State-of-the-world protocol of ADS: whole name lists, last accepted version and nonce in every request
// (envoy-behaviour §13.2, istio-contract §1.5).
import type { Logger } from '../base/logger.ts';
import type { AdsMux, AdsRequest, AdsResponse, SubscriptionMap } from './ads-mux.ts';
import { KIND_ORDER, askedNames, findByTypeUrl, mayAsk, sameNames } from './ads-mux.ts';
import type { NamedResourceKind, XdsResourceKind } from './resource-watcher.ts';
import type { SubscriptionState } from './subscription-state.ts';

class TypeOnStream {
  asked = false;
  nonce = '';
  sentNames: ReadonlySet<string> = new Set();
  /** A response waits for its answer. */
  answerDue = false;
  nack: string | undefined = undefined;
}

export class SotwMux implements AdsMux {
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
    try {
      onStream.nack = subscription.apply(response);
    } finally {
      this.#applying = false;
    }
    onStream.nonce = response.nonce;
    onStream.answerDue = true;
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
      if (!subscription.wanted || !mayAsk(subscription.type.kind, this.#subscriptions)) return;
      onStream.asked = true;
      subscription.onSubscribed();
    } else if (!onStream.answerDue && sameNames(onStream.sentNames, subscription.names)) {
      return;
    }
    const nack = onStream.nack;
    onStream.answerDue = false;
    // error_detail belongs to one request only.
    onStream.nack = undefined;
    onStream.sentNames = subscription.names;
    this.#send?.({
      mode: 'sotw',
      typeUrl: subscription.type.typeUrl,
      names: askedNames(subscription),
      version: subscription.version,
      nonce: onStream.nonce,
      nack,
    });
  }
}
