// [m] What was noticed of fields in the bootstrap, before there is a place to count it; and how the same is done for discovery.
import type { LoggerRegistry } from '../base/logger.ts';
import type { StatsStore } from '../stats/store.ts';
import type { DecodingRules } from '../xds/decoding-rules.ts';
import { FieldNotices, FieldWatch } from '../xds/field-notices.ts';
import type { ServerOptions } from './options.ts';

export const decodingRules = (options: ServerOptions): DecodingRules => ({
  unknownFields: options.rejectUnknownDynamicFields
    ? 'refuse'
    : options.ignoreUnknownDynamicFields
      ? 'ignore'
      : 'tell',
  skipUnknownExtensions: options.skipUnknownExtensions,
  passUnenforced: options.passUnenforced,
  silentDeprecated: options.skipDeprecatedLogs,
});

export interface StaticNotices {
  /** Sets of fields that the bootstrap has and this version does not know. */
  readonly unknown: readonly string[];
  readonly warnings: readonly string[];
  readonly deprecated: readonly string[];
}

/** Of one bootstrap. Unknown fields get here only where the command line allows them. */
export class StaticNoticeList implements StaticNotices {
  readonly unknown: string[] = [];
  readonly warnings: string[] = [];
  readonly deprecated: string[] = [];
  readonly watch: FieldWatch;

  constructor(options: ServerOptions) {
    this.watch = new FieldWatch({ ...decodingRules(options), unknownFields: 'tell' }, this);
  }

  tellUnknown(what: string): void {
    this.unknown.push(what);
    this.warnings.push(`Unknown field: ${what}`);
  }

  /** Counted is only what discovery brings, as in Envoy. */
  tellDeprecated(field: string): void {
    if (!this.watch.rules.silentDeprecated) this.deprecated.push(field);
  }

  tellSkipped(what: string): void {
    this.warnings.push(`left out, as the operator allows: ${what}`);
  }
}

/** Of discovery; and tells what the bootstrap had. */
export function fieldNotices(
  options: ServerOptions,
  { unknown, warnings, deprecated }: StaticNotices,
  stats: StatsStore,
  loggers: LoggerRegistry,
): FieldNotices {
  const log = loggers.get('config');
  stats.add(stats.counter('server.static_unknown_fields'), unknown.length);
  stats.counter('server.wip_protos');
  for (const warning of warnings) log.warn(warning);
  const deprecatedLog = loggers.get('misc');
  for (const field of deprecated) deprecatedLog.warn(`Deprecated field: ${field}`);
  return new FieldNotices({ stats, log, deprecatedLog, rules: decodingRules(options) });
}
