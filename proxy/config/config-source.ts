// [b] Where resources are asked for (envoy.config.core.v3.ConfigSource) as plain data.

export type ConfigSourceConfig =
  | { readonly kind: 'ads' }
  /** A stream of its own, to a cluster of the bootstrap. */
  | {
      readonly kind: 'grpc';
      readonly cluster: string;
      readonly delta: boolean;
      /** The node stands in the first request of a stream only; absent: in each. */
      readonly nodeOnce?: boolean;
    }
  /** A file with a DiscoveryResponse; `watchedDirectory` '' : the file's own. */
  | { readonly kind: 'path'; readonly path: string; readonly watchedDirectory: string };

/** One source of all resources of a kind, or of one of them. */
export interface SourceRef {
  readonly source: ConfigSourceConfig;
  /** 0: for ever. Default 15 000. */
  readonly initialFetchTimeoutMs: number;
}

/** One resource from one source. */
export interface SubscriptionRef extends SourceRef {
  readonly name: string;
}

export const ADS_SOURCE: ConfigSourceConfig = { kind: 'ads' };

export const ADS_FOR_EVER: SourceRef = { source: ADS_SOURCE, initialFetchTimeoutMs: 0 };

/** What a resource is kept by: its name where it comes by ADS; those of other sources are other resources. */
export function subscriptionKey({
  name,
  source,
}: Pick<SubscriptionRef, 'name' | 'source'>): string {
  switch (source.kind) {
    case 'ads':
      return name;
    case 'grpc':
      return `\0grpc ${source.cluster}${source.delta ? ' delta' : ''}|${name}`;
    case 'path':
      return `\0path ${source.path}|${name}`;
  }
}
