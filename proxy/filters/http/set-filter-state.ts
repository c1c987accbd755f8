// [w] envoy.filters.http.set_filter_state: objects made of formats, for every request. All levels are applied: the
// filter's own, then virtual host and route (envoy-behaviour §10.9).
import type { FormatEnvironment } from '../../access-log/format-environment.ts';
import type {
  FilterStateFactory,
  SetFilterStateConfig,
} from '../../config/metadata-filter-config.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { wireText } from '../../router/wire-text.ts';
import type { FilterState } from '../../stream-info/filter-state.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { FormatText } from '../format-text.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { filterStateObject } from './filter-state-objects.ts';

interface CompiledEntry {
  readonly key: string;
  readonly factory: FilterStateFactory;
  readonly format: FormatText;
  readonly skipIfEmpty: boolean;
}

/** The entries of one level. */
export class FilterStateUpdate {
  readonly clearsRouteCache: boolean;
  readonly #entries: readonly CompiledEntry[];

  /** Throws ConfigError for a command that does not exist. */
  constructor(config: SetFilterStateConfig, environment: FormatEnvironment) {
    this.clearsRouteCache = config.clearRouteCache;
    this.#entries = config.entries.map((entry, i) => ({
      key: wireText(entry.key),
      factory: entry.factory,
      format: new FormatText(entry.format, environment, `on_request_headers[${i}].format_string`),
      skipIfEmpty: entry.skipIfEmpty,
    }));
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** `target`: default, the stream's. */
  apply(headers: RequestHeaders, info: StreamInfo, target: FilterState | null = null): void {
    for (const { key, factory, format, skipIfEmpty } of this.#entries) {
      const text = format.of(headers, info);
      if (text === '' && skipIfEmpty) continue;
      const object = filterStateObject(factory, text);
      if (object !== null) (target ?? info.filterStateForWriting()).set(key, object);
    }
  }
}

class SetFilterStateFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #levels: readonly FilterStateUpdate[];

  constructor(callbacks: FilterCallbacks, levels: readonly FilterStateUpdate[]) {
    super();
    this.#callbacks = callbacks;
    this.#levels = levels;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    for (const level of this.#levels) level.apply(headers, this.#callbacks.streamInfo);
    if (this.#levels.some((level) => level.clearsRouteCache)) this.#callbacks.clearRouteCache();
    return FilterStatus.Continue;
  }
}

export class SetFilterStateFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #own: readonly FilterStateUpdate[];
  readonly #perRoute: CompiledSettings<SetFilterStateConfig, FilterStateUpdate>;

  constructor(name: string, config: SetFilterStateConfig, context: FilterFactoryContext) {
    const environment = context.routeEnvironment.format;
    this.name = name;
    const own = new FilterStateUpdate(config, environment);
    this.#own = own.empty && !own.clearsRouteCache ? [] : [own];
    this.#perRoute = new CompiledSettings((level) => new FilterStateUpdate(level, environment));
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const levels = this.#levels(callbacks);
    return levels.length === 0 ? null : new SetFilterStateFilter(callbacks, levels);
  }

  #levels({ route, requestHeaders, streamInfo }: FilterCallbacks): readonly FilterStateUpdate[] {
    const settings = route?.filterSettingsOfLevels(this.name, requestHeaders, streamInfo);
    if (settings === undefined || settings.length === 0) return this.#own;
    const levels: FilterStateUpdate[] = [];
    for (const level of settings)
      if (level.kind === 'set_filter_state') levels.push(this.#perRoute.of(level));
    return [...this.#own, ...levels.reverse()];
  }
}
