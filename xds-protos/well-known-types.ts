// [m] How google.protobuf's well-known types look once decoded. Wrappers have no type here: they decode to the bare value.

/** Any value JSON can hold. Objects made by the decoder have no prototype, since their keys come from outside. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;

export interface JsonObject {
  [key: string]: JsonValue;
}

/** A span of time: seconds and nanos have the same sign. */
export interface Duration {
  seconds: number;
  nanos: number;
}

/** Seconds since 1970 and nanoseconds of that second (never negative). */
export interface Timestamp {
  seconds: number;
  nanos: number;
}

/** A message packed with its type. `value` is a view of the bytes it was decoded from, not a copy. */
export interface Any {
  type_url: string;
  value: Uint8Array;
}

export type Empty = Record<never, never>;
