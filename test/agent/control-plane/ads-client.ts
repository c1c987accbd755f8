// [m] A proxy's side of an ADS stream for tests: acknowledges what it is sent, keeps it in order, and waits for what is to come.
import type {
  DeltaClientStream,
  SotwClientStream,
  StreamStatus,
} from '../../../xds-protos/ads-stream.ts';
import type {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { connectAds } from '../../../xds-protos/services.ts';
import type { AdsConnection } from '../../../xds-protos/services.ts';
import { typeOfUrl, typeUrlOf } from '../../../agent/control-plane/resource-generator.ts';
import type { ResourceType } from '../../../agent/control-plane/resource-generator.ts';
import type { JsonObject } from '../../../xds-protos/well-known-types.ts';

export const NODE = {
  id: 'sidecar~10.0.0.1~productpage-1.default~default.svc.cluster.local',
  metadata: {
    NAMESPACE: 'default',
    CLUSTER_ID: 'Kubernetes',
    INSTANCE_IPS: '10.0.0.1',
    LABELS: { app: 'productpage' },
  } as JsonObject,
};

export interface Received {
  readonly type: ResourceType | undefined;
  readonly names: readonly string[];
  readonly removed: readonly string[];
  readonly nonce: string;
}

/** Collects messages; `next` resolves with them in order. */
class Inbox<T> {
  readonly #messages: T[] = [];
  #waiting: ((message: T) => void)[] = [];

  put(message: T): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#messages.push(message);
    else waiter(message);
  }

  next(): Promise<T> {
    const message = this.#messages.shift();
    return message === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(message);
  }
}

export class DeltaClient {
  readonly #connection: AdsConnection;
  readonly #stream: DeltaClientStream;
  readonly #inbox = new Inbox<Received>();
  readonly ended: Promise<StreamStatus>;
  #refuse: ResourceType | undefined;

  constructor(target: string) {
    this.#connection = connectAds(target);
    this.#stream = this.#connection.delta();
    this.#stream.onMessage((response) => this.#take(response));
    this.ended = new Promise((resolve) => this.#stream.onEnd(resolve));
  }

  #take(response: DeltaDiscoveryResponse): void {
    const type = typeOfUrl(response.type_url ?? '');
    const nonce = response.nonce ?? '';
    const refused = type !== undefined && this.#refuse === type;
    if (refused) this.#refuse = undefined;
    this.#stream.send({
      type_url: response.type_url,
      response_nonce: nonce,
      error_detail: refused
        ? { code: 3, message: 'virtual_hosts[0]: this test refuses it' }
        : undefined,
    });
    const names = (response.resources ?? []).map(({ name }) => name ?? '');
    this.#inbox.put({ type, names, removed: response.removed_resources ?? [], nonce });
  }

  refuseNext(type: ResourceType): void {
    this.#refuse = type;
  }

  ask(type: ResourceType, names: readonly string[] = [], held: readonly string[] = []): void {
    this.#stream.send({
      node: NODE,
      type_url: typeUrlOf(type),
      resource_names_subscribe: [...names],
      initial_resource_versions: new Map(held.map((name) => [name, ''])),
    });
  }

  send(request: Parameters<DeltaClientStream['send']>[0]): void {
    this.#stream.send(request);
  }

  next(): Promise<Received> {
    return this.#inbox.next();
  }

  /** What stands between now and the answer to a question asked now: nothing can still be on its way behind it. */
  async until(type: ResourceType, name: string): Promise<Received[]> {
    this.ask(type, [name]);
    const before: Received[] = [];
    for (;;) {
      const received = await this.next();
      if (received.type === type && received.names.includes(name)) return before;
      before.push(received);
    }
  }

  close(): void {
    this.#stream.cancel();
    this.#connection.close();
  }
}

export class SotwClient {
  readonly #connection: AdsConnection;
  readonly #stream: SotwClientStream;
  readonly #inbox = new Inbox<{ type: ResourceType | undefined; count: number; nonce: string }>();

  constructor(target: string) {
    this.#connection = connectAds(target);
    this.#stream = this.#connection.sotw();
    this.#stream.onMessage((response: DiscoveryResponse) => {
      const type = typeOfUrl(response.type_url ?? '');
      this.#inbox.put({
        type,
        count: response.resources?.length ?? 0,
        nonce: response.nonce ?? '',
      });
    });
  }

  ask(type: ResourceType, names: readonly string[], nonce = ''): void {
    this.#stream.send({
      node: NODE,
      type_url: typeUrlOf(type),
      resource_names: [...names],
      response_nonce: nonce,
    });
  }

  next(): Promise<{ type: ResourceType | undefined; count: number; nonce: string }> {
    return this.#inbox.next();
  }

  close(): void {
    this.#stream.cancel();
    this.#connection.close();
  }
}
