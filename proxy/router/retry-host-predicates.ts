// [b] Hosts that retries pass over (envoy-behaviour §4.5): those tried before, canaries, those with certain labels.
import type { RetryHostPredicateConfig } from '../config/route-config.ts';
import type { Host } from '../upstream/host.ts';

/** True: choose another one. `tried`: hosts of attempts before. */
export type RetryHostPredicate = (host: Host, tried: readonly Host[]) => boolean;

export function compileHostPredicates(
  configs: readonly RetryHostPredicateConfig[],
): readonly RetryHostPredicate[] {
  return configs.map((config): RetryHostPredicate => {
    switch (config.kind) {
      case 'previous_hosts':
        return (host, tried) => tried.some((other) => other.addressText === host.addressText);
      case 'omit_canary_hosts':
        return (host) => host.canary;
      case 'omit_host_metadata':
        return (host) => hasLabels(host, config.match);
    }
  });
}

/** Metadata `envoy.lb` of the host holds all labels; a list holds each of its elements. No labels: no host has them. */
function hasLabels(host: Host, labels: ReadonlyMap<string, string>): boolean {
  const text = host.endpoint.metadata.get('envoy.lb');
  if (text === undefined || labels.size === 0) return false;
  const own = new Map(Object.entries(JSON.parse(text) as Record<string, unknown>));
  for (const [key, wanted] of labels) {
    const value = own.get(key);
    if (value === undefined) return false;
    const values = Array.isArray(value) ? value : [value];
    if (!values.some((one) => JSON.stringify(one) === wanted)) return false;
  }
  return true;
}
