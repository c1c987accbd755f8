// [m] How versions of a resource stand in /config_dump, whatever resource it is.
import type {
  ConfigDumpEntry,
  ConfigErrorState,
  ConfigResource,
  ConfigResourceState,
} from './config-resource.ts';

/** One version of a resource. */
interface DumpedVersion {
  readonly resource: ConfigResource<unknown>;
  readonly lastUpdatedMs: number;
}

/** A resource as its manager knows it. */
interface DumpedResource {
  readonly isStatic: boolean;
  readonly active: DumpedVersion | undefined;
  readonly warming: DumpedVersion | undefined;
  readonly errorState: ConfigErrorState | undefined;
}

/** What is in force, then what warms; a refusal stands with the first of them. */
export function dumpEntriesOf(known: DumpedResource): readonly ConfigDumpEntry[] {
  const { isStatic, active, warming, errorState } = known;
  const entries: ConfigDumpEntry[] = [];
  if (active !== undefined)
    entries.push(dumpEntryOf(active, isStatic ? 'static' : 'active', errorState));
  if (warming !== undefined)
    entries.push(dumpEntryOf(warming, 'warming', active === undefined ? errorState : undefined));
  return entries;
}

export function dumpEntryOf(
  { resource, lastUpdatedMs }: DumpedVersion,
  state: ConfigResourceState,
  errorState: ConfigErrorState | undefined,
): ConfigDumpEntry {
  const { name, version, raw } = resource;
  return { name, state, version, raw, lastUpdatedMs, errorState };
}
