// [b] Per-filter settings of one level laid over those of the less specific ones (envoy-behaviour §3.3). A level
// that says nothing shares the map of the level above it.
import type {
  HttpFilterPerRouteConfig,
  HttpFilterPerRouteSettings,
} from '../config/http-filter-config.ts';

export interface PerFilterEntry {
  /** As the most specific level that has the filter says. */
  readonly disabled: boolean;
  /** Of the most specific level that has settings. */
  readonly settings: HttpFilterPerRouteSettings | undefined;
  /** Of every level that has settings, the most specific first: for filters that lay them over each other. */
  readonly levels: readonly HttpFilterPerRouteSettings[];
}

/** By name of the entry in `http_filters`. */
export type PerFilterSettings = ReadonlyMap<string, PerFilterEntry>;

const NO_LEVELS: readonly HttpFilterPerRouteSettings[] = [];

/** Null when neither this level nor `inherited` says anything. */
export function compilePerFilter(
  configs: readonly HttpFilterPerRouteConfig[],
  inherited: PerFilterSettings | null,
): PerFilterSettings | null {
  if (configs.length === 0) return inherited;
  const merged = new Map<string, PerFilterEntry>(inherited);
  for (const config of configs) {
    const outer = inherited?.get(config.name)?.levels ?? NO_LEVELS;
    const levels = config.settings === undefined ? outer : [config.settings, ...outer];
    merged.set(config.name, { disabled: config.disabled, settings: levels[0], levels });
  }
  return merged;
}
