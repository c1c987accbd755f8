// [m] Fields of configuration that this version does not know, or that are deprecated: counted, told once, and refused where the
// operator says so (envoy-behaviour §13.6). And what else the operator says about things that this version does not do.
import type { Logger } from '../base/logger.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { FromJsonOptions } from '../../xds-protos/json-to-message.ts';
import type { DecodeOptions } from '../../xds-protos/message-decoder.ts';
import { fieldPath } from './config-problems.ts';
import type { ConfigProblems, FieldObserver } from './config-problems.ts';
import type { DecodingRules } from './decoding-rules.ts';

/** A peer that makes up new ones every time does not fill the memory. */
const MOST_TOLD = 1000;
/** Of one resource. */
const MOST_SETS = 50;
const MOST_NUMBERS = 100;

export interface FieldNoticesParts {
  readonly stats: StatsStore;
  readonly log: Logger;
  /** For what is deprecated: Envoy's `misc`, which Istio keeps silent. */
  readonly deprecatedLog: Logger;
  readonly rules: DecodingRules;
}

/** For all resources of discovery. */
export class FieldNotices {
  readonly rules: DecodingRules;
  readonly #stats: StatsStore;
  readonly #log: Logger;
  readonly #deprecatedLog: Logger;
  readonly #unknown: StatId;
  readonly #deprecatedUse: StatId;
  readonly #deprecatedSeen: StatId;
  readonly #told = new Set<string>();

  constructor({ stats, log, deprecatedLog, rules }: FieldNoticesParts) {
    this.rules = rules;
    this.#stats = stats;
    this.#log = log;
    this.#deprecatedLog = deprecatedLog;
    this.#unknown = stats.counter('server.dynamic_unknown_fields');
    this.#deprecatedUse = stats.counter('runtime.deprecated_feature_use');
    this.#deprecatedSeen = stats.gauge('runtime.deprecated_feature_seen_since_process_start');
  }

  /** Of one resource. */
  watch(): FieldWatch {
    return new FieldWatch(this.rules, this);
  }

  /** A set of fields is counted once, as in Envoy. */
  tellUnknown(what: string): void {
    if (!this.#tell(what)) return;
    this.#stats.inc(this.#unknown);
    this.#log.warn(`Unknown field: ${what}`);
  }

  tellDeprecated(field: string): void {
    this.#stats.inc(this.#deprecatedUse);
    this.#stats.add(this.#deprecatedSeen, 1);
    if (this.rules.silentDeprecated || !this.#tell(field)) return;
    this.#deprecatedLog.warn(`Deprecated field: ${field}`);
  }

  tellSkipped(what: string): void {
    if (this.#tell(what)) this.#log.warn(`left out, as the operator allows: ${what}`);
  }

  /** False: it was told before, or there are too many. */
  #tell(what: string): boolean {
    if (this.#told.has(what) || this.#told.size >= MOST_TOLD) return false;
    this.#told.add(what);
    return true;
  }
}

interface UnknownSet {
  readonly type: string;
  readonly path: string;
  readonly fields: (number | string)[];
}

/** What is seen while one resource is decoded. */
export class FieldWatch implements FieldObserver {
  readonly rules: DecodingRules;
  readonly #notices: Pick<FieldNotices, 'tellUnknown' | 'tellDeprecated' | 'tellSkipped'>;
  readonly #unknown = new Map<string, UnknownSet>();
  readonly #deprecated = new Set<string>();

  constructor(
    rules: DecodingRules,
    notices: Pick<FieldNotices, 'tellUnknown' | 'tellDeprecated' | 'tellSkipped'>,
  ) {
    this.rules = rules;
    this.#notices = notices;
  }

  /** For the decoder of what stands at `path`; '' : the resource itself. */
  at(path: string): DecodeOptions {
    if (this.rules.unknownFields === 'ignore') return {};
    return {
      onUnknown: (inner, field, type) =>
        this.onUnknown(inner === '' ? path : fieldPath(path, inner), field, type),
      onDeprecated: this.onDeprecated,
    };
  }

  /** The same for JSON, of which the path has the field's own name. */
  atJson(path: string): FromJsonOptions {
    if (this.rules.unknownFields === 'ignore') return {};
    return {
      onUnknown: (inner, type) => {
        const dot = inner.lastIndexOf('.');
        const parent = dot < 0 ? path : fieldPath(path, inner.slice(0, dot));
        this.onUnknown(parent, inner.slice(dot + 1), type);
      },
      onDeprecated: this.onDeprecated,
    };
  }

  readonly onUnknown = (path: string, field: number | string, type: string): void => {
    const known = this.#unknown.get(path);
    if (known === undefined) {
      if (this.#unknown.size < MOST_SETS) this.#unknown.set(path, { type, path, fields: [field] });
    } else if (known.fields.length < MOST_NUMBERS) known.fields.push(field);
  };

  readonly onDeprecated = (type: string, field: string): void => {
    if (this.#deprecated.size < MOST_SETS) this.#deprecated.add(`${type}.${field}`);
  };

  onSkipped(what: string): void {
    this.#notices.tellSkipped(what);
  }

  /** All of it has been read. */
  settle(problems: ConfigProblems): void {
    for (const { type, path, fields } of this.#unknown.values()) {
      const what = `type ${type} with unknown field set {${fields.join(', ')}}`;
      if (this.rules.unknownFields === 'refuse')
        problems.add(path, `Protobuf message (${what}) has unknown fields`);
      else this.#notices.tellUnknown(what);
    }
    this.#unknown.clear();
    if (problems.any) return;
    for (const field of this.#deprecated) this.#notices.tellDeprecated(field);
    this.#deprecated.clear();
  }
}
