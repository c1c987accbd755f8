// [b] Values of google.protobuf.Struct as text that is equal for equal values: what subsets of hosts are told apart by.

/** Plain JSON; keys of structs sorted. */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const fields = entries
    .map(([key, each]) => `${JSON.stringify(key)}:${canonicalText(each)}`)
    .toSorted();
  return `{${fields.join(',')}}`;
}
