// [w] OverrideHostBalancer: a header or metadata of the request names its host, `ip:port`, and others for its retries
// (envoy.load_balancing_policies.override_host); what names none leaves the choice to the policy inside.
import type { OverrideHostConfig } from '../../config/load-balancing-config.ts';
import { headerName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { Host } from '../host.ts';
import type { LoadBalancer, LoadBalancerContext } from '../load-balancer.ts';

/** Of one source; what is more is not read. */
const MAX_ADDRESSES = 64;

type Source = (context: LoadBalancerContext) => string | undefined;

/** What one request named, and how much of it was used. */
interface Named {
  readonly addresses: readonly string[];
  next: number;
}

export class OverrideHostBalancer implements LoadBalancer {
  readonly #sources: readonly Source[];
  readonly #hostAt: (address: string) => Host | undefined;
  readonly #child: LoadBalancer;
  readonly #named = new WeakMap<LoadBalancerContext, Named>();

  constructor(
    { sources }: OverrideHostConfig,
    hostAt: (address: string) => Host | undefined,
    child: LoadBalancer,
  ) {
    this.#sources = sources.map((source) => {
      if (source.kind === 'header') return fromHeader(headerName(source.name));
      return fromMetadata(source.namespace, source.path);
    });
    this.#hostAt = hostAt;
    this.#child = child;
  }

  chooseHost(context: LoadBalancerContext | null): Host | null {
    const host = context === null ? null : this.#override(context);
    return host ?? this.#child.chooseHost(context);
  }

  #override(context: LoadBalancerContext): Host | null {
    let named = this.#named.get(context);
    if (named === undefined) {
      named = { addresses: this.#addressesFor(context), next: 0 };
      this.#named.set(context, named);
    }
    while (named.next < named.addresses.length) {
      const host = this.#hostAt(named.addresses[named.next++]!);
      // Whatever its health: the request asked for it.
      if (host !== undefined) return host;
    }
    return null;
  }

  #addressesFor(context: LoadBalancerContext): readonly string[] {
    return this.#sources
      .flatMap((source) => source(context)?.split(',', MAX_ADDRESSES) ?? [])
      .map(withoutBlanks);
  }
}

const withoutBlanks = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');

const fromHeader =
  (name: HeaderName): Source =>
  ({ requestHeaders }) =>
    requestHeaders?.getAny(name);

const fromMetadata =
  (namespace: string, path: readonly string[]): Source =>
  ({ dynamicMetadata }) => {
    const value = dynamicMetadata?.value(namespace, path);
    return typeof value === 'string' ? value : undefined;
  };
