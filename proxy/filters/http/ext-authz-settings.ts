// [w] ExtAuthzSettings: one entry of external authorization, compiled, with its statistics.
import type { ExtAuthzConfig } from '../../config/ext-authz-config.ts';
import { MetadataMatcher } from '../../router/metadata-matcher.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { HeaderMutationRules } from './header-mutation-rules.ts';

/** What is counted of a request. */
export type Outcome = 'ok' | 'denied' | 'error' | 'failure_mode_allowed' | 'invalid';

class ExtAuthzStats {
  readonly store: StatsStore;
  readonly disabled: StatId;
  readonly ignoredMetadata: StatId;
  readonly #own: Readonly<Record<Outcome, StatId>>;
  readonly #prefix: string;

  constructor(store: StatsStore, connManagerPrefix: string, prefix: string) {
    const counter = (name: string): StatId =>
      store.counter(`http.${connManagerPrefix}.ext_authz.${prefix}${name}`);
    this.store = store;
    this.#prefix = `ext_authz.${prefix}`;
    this.disabled = counter('disabled');
    this.ignoredMetadata = counter('ignored_dynamic_metadata');
    this.#own = {
      ok: counter('ok'),
      denied: counter('denied'),
      error: counter('error'),
      failure_mode_allowed: counter('failure_mode_allowed'),
      invalid: counter('invalid'),
    };
  }

  /** Of the filter, and of the cluster that the request is for. */
  count(outcome: Outcome, cluster: ThreadLocalCluster | undefined): void {
    this.store.inc(this.#own[outcome]);
    if (cluster === undefined) return;
    this.store.inc(this.store.counter(`${cluster.stats.prefix}${this.#prefix}${outcome}`));
  }
}

/** One filter entry, compiled. */
export class ExtAuthzSettings {
  readonly config: ExtAuthzConfig;
  readonly context: FilterFactoryContext;
  readonly stats: ExtAuthzStats;
  /** Null: answers may change what they like. */
  readonly rules: HeaderMutationRules | null;
  readonly #enabledMetadata: MetadataMatcher | null;

  constructor(config: ExtAuthzConfig, context: FilterFactoryContext) {
    this.config = config;
    this.context = context;
    this.stats = new ExtAuthzStats(context.stats, context.statPrefix, config.statPrefix);
    this.rules =
      config.mutationRules === undefined ? null : new HeaderMutationRules(config.mutationRules);
    this.#enabledMetadata =
      config.enabledMetadata === undefined
        ? null
        : new MetadataMatcher(config.enabledMetadata, 'filter_enabled_metadata');
  }

  enabled(info: StreamInfo): boolean {
    const { enabled } = this.config;
    const { runtime, random } = this.context;
    if (
      enabled !== undefined &&
      !runtime.holds(enabled.runtimeKey ?? '', enabled, random.nextUint32())
    )
      return false;
    return this.#enabledMetadata === null || this.#enabledMetadata.matches(info.dynamicMetadata);
  }

  get deniesAtDisable(): boolean {
    const { value, runtimeKey } = this.config.denyAtDisable;
    return this.context.runtime.flag(runtimeKey, value);
  }
}
