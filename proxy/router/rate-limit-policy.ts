// [b] RateLimitPolicy: the `rate_limits` of one route, virtual host or filter, compiled.
import type { RateLimitConfig } from '../config/rate-limit-config.ts';
import { NO_DESCRIPTOR, NO_ENTRY, compileRateLimitAction } from './rate-limit-actions.ts';
import type { RateLimitAction, RateLimitEntry, RateLimitSubject } from './rate-limit-actions.ts';

export interface RateLimitDescriptor {
  /** May be empty: every action left its entry out. */
  readonly entries: readonly RateLimitEntry[];
  /** How much the request counts for; undefined: as the filter has it. */
  readonly hitsAddend: number | undefined;
  /** As in RateLimitConfig. */
  readonly rateLimitHeaders?: boolean | undefined;
}

interface CompiledRateLimit {
  readonly config: RateLimitConfig;
  readonly actions: readonly RateLimitAction[];
}

/** Which entries of a policy a filter looks at. */
export interface RateLimitSelection {
  readonly stage: number;
  /** Those that a runtime key could switch off are looked at, too. */
  readonly withDisableKey: boolean;
}

export class RateLimitPolicy {
  readonly #limits: readonly CompiledRateLimit[];

  /** Throws ConfigError with `place` (of the field `rate_limits`) for a bad regex. */
  constructor(configs: readonly RateLimitConfig[], place: string) {
    this.#limits = configs.map((config, i) => ({
      config,
      actions: config.actions.map((action, j) =>
        compileRateLimitAction(action, `${place}[${i}].actions[${j}]`),
      ),
    }));
  }

  /** Null when there is nothing to compile. */
  static from(configs: readonly RateLimitConfig[], place: string): RateLimitPolicy | null {
    return configs.length === 0 ? null : new RateLimitPolicy(configs, place);
  }

  /** Adds a descriptor for each entry that is selected and whose actions all say something. */
  addDescriptors(
    selection: RateLimitSelection,
    subject: RateLimitSubject,
    into: RateLimitDescriptor[],
  ): void {
    for (const { config, actions } of this.#limits) {
      if (config.stage !== selection.stage) continue;
      if (config.disableKey !== '' && !selection.withDisableKey) continue;
      const entries = entriesOf(actions, subject);
      if (entries === undefined) continue;
      const { hitsAddend, rateLimitHeaders } = config;
      into.push({ entries, hitsAddend, rateLimitHeaders });
    }
  }
}

function entriesOf(
  actions: readonly RateLimitAction[],
  subject: RateLimitSubject,
): readonly RateLimitEntry[] | undefined {
  const entries: RateLimitEntry[] = [];
  for (const action of actions) {
    const entry = action(subject);
    if (entry === NO_DESCRIPTOR) return undefined;
    if (entry !== NO_ENTRY) entries.push(entry);
  }
  return entries;
}
