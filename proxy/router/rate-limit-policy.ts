// [b] RateLimitPolicy: the `rate_limits` of one route, virtual host or filter, compiled.
import type { MetadataStruct } from '../config/metadata-value.ts';
import type { RateLimitConfig, RateLimitLimitConfig } from '../config/rate-limit-config.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { NO_DESCRIPTOR, NO_ENTRY, compileRateLimitAction } from './rate-limit-actions.ts';
import type { RateLimitAction, RateLimitEntry, RateLimitSubject } from './rate-limit-actions.ts';
import { wireText } from './wire-text.ts';

const MAX_UINT32 = 0xffff_ffff;

export interface RateLimitDescriptor {
  /** May be empty: every action left its entry out. */
  readonly entries: readonly RateLimitEntry[];
  /** How much the request counts for; undefined: as the filter has it. */
  readonly hitsAddend: number | undefined;
  /** As in RateLimitConfig. */
  readonly rateLimitHeaders?: boolean | undefined;
  /** In place of the limit that a rate limit service has itself; absent: none. */
  readonly limit?: RateLimitOverride | undefined;
}

export interface RateLimitOverride {
  readonly requestsPerUnit: number;
  /** As in envoy.type.v3.RateLimitUnit. */
  readonly unit: number;
}

interface CompiledRateLimit {
  readonly config: RateLimitConfig;
  readonly actions: readonly RateLimitAction[];
}

/** Which entries of a policy a filter looks at. */
export interface RateLimitSelection {
  readonly stage: number;
  /** Whether an entry that a runtime key could switch off is looked at. */
  takesDisableKey(key: string): boolean;
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

  /** Adds a descriptor for each entry that is selected and whose actions all say something. */
  addDescriptors(
    selection: RateLimitSelection,
    subject: RateLimitSubject,
    into: RateLimitDescriptor[],
  ): void {
    for (const { config, actions } of this.#limits) {
      if (config.stage !== selection.stage) continue;
      if (config.disableKey !== '' && !selection.takesDisableKey(config.disableKey)) continue;
      const entries = entriesOf(actions, subject);
      if (entries === undefined) continue;
      const { hitsAddend, rateLimitHeaders } = config;
      const limit = config.limit && limitOverride(config.limit, subject.info);
      into.push({ entries, hitsAddend, rateLimitHeaders, limit });
    }
  }
}

const UNITS: ReadonlyMap<unknown, number> = new Map([
  ['UNKNOWN', 0],
  ['SECOND', 1],
  ['MINUTE', 2],
  ['HOUR', 3],
  ['DAY', 4],
  ['MONTH', 5],
  ['YEAR', 6],
]);

/** In dynamic metadata, `{ requests_per_unit, unit }`; anything else is no limit. */
function limitOverride(
  config: RateLimitLimitConfig,
  info: StreamInfo,
): RateLimitOverride | undefined {
  if (config.kind === 'fixed')
    return { requestsPerUnit: config.requestsPerUnit, unit: UNITS.get(config.unit) ?? 0 };
  const struct = info.dynamicMetadata?.value(wireText(config.namespace), config.path.map(wireText));
  if (!(struct instanceof Map)) return undefined;
  const fields = struct as MetadataStruct;
  const requests = fields.get('requests_per_unit');
  const unit = UNITS.get(fields.get('unit'));
  if (typeof requests !== 'number' || !(requests >= 0 && requests <= MAX_UINT32)) return undefined;
  return unit === undefined ? undefined : { requestsPerUnit: Math.trunc(requests), unit };
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
