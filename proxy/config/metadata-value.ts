// [b] Values of google.protobuf.Struct as plain data. Structs are Maps, since their keys come from outside.

export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | readonly MetadataValue[]
  | MetadataStruct;

export type MetadataStruct = ReadonlyMap<string, MetadataValue>;

/** Both, `over` winning where they say different. */
export function mergedStructs(
  base: MetadataStruct | undefined,
  over: MetadataStruct | undefined,
): MetadataStruct | undefined {
  return base === undefined || over === undefined ? (over ?? base) : new Map([...base, ...over]);
}
