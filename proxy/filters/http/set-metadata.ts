// [w] envoy.filters.http.set_metadata: fixed dynamic metadata for every request. The filter's own comes first, then the
// most specific level's.
import type {
  SetMetadataConfig,
  SetMetadataEntryConfig,
} from '../../config/metadata-filter-config.ts';
import type { MetadataStruct, MetadataValue } from '../../config/metadata-value.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { wireText } from '../../router/wire-text.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

interface OverwriteDenied {
  readonly store: StatsStore;
  readonly own: StatId;
  /** Envoy counts what levels of the route were denied without a prefix. */
  readonly perRoute: StatId;
}

class SetMetadataFilter extends PassThroughFilter {
  readonly #info: StreamInfo;
  readonly #own: readonly SetMetadataEntryConfig[];
  readonly #perRoute: readonly SetMetadataEntryConfig[];
  readonly #denied: OverwriteDenied;

  constructor(
    info: StreamInfo,
    own: readonly SetMetadataEntryConfig[],
    perRoute: readonly SetMetadataEntryConfig[],
    denied: OverwriteDenied,
  ) {
    super();
    this.#info = info;
    this.#own = own;
    this.#perRoute = perRoute;
    this.#denied = denied;
  }

  override decodeHeaders(): FilterStatus {
    const { store, own, perRoute } = this.#denied;
    for (const entry of this.#own) if (!apply(entry, this.#info)) store.inc(own);
    for (const entry of this.#perRoute) if (!apply(entry, this.#info)) store.inc(perRoute);
    return FilterStatus.Continue;
  }
}

/** False: the namespace holds something that must not be touched. */
function apply(entry: SetMetadataEntryConfig, info: StreamInfo): boolean {
  const metadata = info.metadataForWriting();
  const namespace = wireText(entry.namespace);
  const present = metadata.namespace(namespace);
  if (present !== undefined && !entry.allowOverwrite) return false;
  metadata.replace(namespace, present === undefined ? entry.value : merged(present, entry.value));
  return true;
}

/** Structs key by key, lists one behind the other; else the new value counts. */
function merged(present: MetadataStruct, added: MetadataStruct): MetadataStruct {
  const result = new Map(present);
  for (const [key, value] of added) {
    const old = result.get(key);
    result.set(key, old === undefined ? value : mergedValue(old, value));
  }
  return result;
}

function mergedValue(old: MetadataValue, value: MetadataValue): MetadataValue {
  if (old instanceof Map && value instanceof Map)
    return merged(old as MetadataStruct, value as MetadataStruct);
  if (Array.isArray(old) && Array.isArray(value))
    return [...(old as readonly MetadataValue[]), ...(value as readonly MetadataValue[])];
  return value;
}

const NONE: readonly SetMetadataEntryConfig[] = [];

export class SetMetadataFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #entries: readonly SetMetadataEntryConfig[];
  readonly #denied: OverwriteDenied;

  constructor(name: string, config: SetMetadataConfig, context: FilterFactoryContext) {
    const { stats, statPrefix } = context;
    this.name = name;
    this.#entries = config.entries;
    this.#denied = {
      store: stats,
      own: stats.counter(`http.${statPrefix}.set_metadata.overwrite_denied`),
      perRoute: stats.counter('set_metadata.overwrite_denied'),
    };
  }

  createFilter({ route, requestHeaders, streamInfo }: FilterCallbacks): HttpFilter | null {
    const level = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const perRoute = level?.kind === 'set_metadata' ? level.entries : NONE;
    if (this.#entries.length === 0 && perRoute.length === 0) return null;
    return new SetMetadataFilter(streamInfo, this.#entries, perRoute, this.#denied);
  }
}
