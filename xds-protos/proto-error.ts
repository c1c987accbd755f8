// [m] What is thrown for bytes that are no valid message, and for values that do not fit their field.

/** `path` leads from the message to the field (`filter_chains[2].name`); it is empty for the message itself. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
  readonly typeName: string;
  readonly path: string;
  readonly reason: string;

  constructor(typeName: string, path: string, reason: string) {
    super(`${typeName}${path === '' ? '' : `: ${path}`}: ${reason}`);
    this.typeName = typeName;
    this.path = path;
    this.reason = reason;
  }
}

/** A fault of the wire format or of a value, thrown where it is met; whoever knows type and path makes a ProtoError of it. */
export class WireFault extends Error {
  override readonly name = 'WireFault';
}

/** `parent.field[key]`: a string key is quoted as in JSON. */
export function joinPath(
  parent: string,
  field: string,
  key?: number | string | bigint | boolean,
): string {
  const head = parent === '' ? field : `${parent}.${field}`;
  if (key === undefined) return head;
  return `${head}[${typeof key === 'string' ? JSON.stringify(key) : String(key)}]`;
}
