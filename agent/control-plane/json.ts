// [m] Resources as canonical protobuf JSON: the builders' form, the same text that recordings and /config_dump show.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** An absent field is undefined, so that builders can name every field of a message once and in order. */
export interface JsonObject {
  readonly [field: string]: Json | undefined;
}

/** A message inside google.protobuf.Any. */
export function anyOf(type: string, message: JsonObject = {}): JsonObject {
  return { '@type': `type.googleapis.com/${type}`, ...message };
}

/** Istio's own filters travel as a Struct that carries their type by name. */
export function typedStruct(type: string, value: JsonObject): JsonObject {
  return anyOf('udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${type}`, value });
}

/** google.protobuf.Duration in JSON: seconds with no, three, six or nine decimals. */
export function durationOf(ms: number): string {
  const whole = Math.floor(ms / 1000);
  const restMs = Math.round(ms - whole * 1000);
  return restMs === 0 ? `${whole}s` : `${whole}.${String(restMs).padStart(3, '0')}s`;
}

/** An empty list is left out, as in canonical JSON. */
export const nonEmpty = (list: readonly Json[]): readonly Json[] | undefined =>
  list.length === 0 ? undefined : list;

export const socketAddress = (address: string, port: number): JsonObject => ({
  socket_address: { address, port_value: port },
});

/** Order of code points, whatever the machine's locale. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The name of a resource that a builder made. */
export function nameOf(message: JsonObject): string {
  const name = message['name'];
  return typeof name === 'string' ? name : '';
}
