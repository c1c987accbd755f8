// What the generator knows of a message (development only): protobufjs' reflection brought down to what the tables and types need.
import protobuf from 'protobufjs';

export interface FieldModel {
  readonly name: string;
  readonly number: number;
  readonly cardinality: 'one' | 'repeated' | 'map';
  /** Scalar type of the key when cardinality is 'map'. */
  readonly mapKey: string | undefined;
  /** Set and unset differ on the wire although the type is a scalar: proto3 `optional`. */
  readonly hasPresence: boolean;
  readonly oneof: string | undefined;
  /** Scalar type, or the full name of a message or an enum. */
  readonly type: string;
  readonly kind: 'scalar' | 'enum' | 'message';
  readonly deprecated: boolean;
}

export interface MessageModel {
  readonly fullName: string;
  readonly fields: readonly FieldModel[];
}

export interface EnumModel {
  readonly fullName: string;
  readonly values: readonly (readonly [name: string, number: number])[];
}

export interface Model {
  readonly messages: readonly MessageModel[];
  readonly enums: readonly EnumModel[];
  /** Full names of everything above to its package. */
  readonly packageOf: ReadonlyMap<string, string>;
}

/** Well-known types that have a form of their own in memory; the decoder knows them by name and needs no table. */
export const wellKnownTypes: ReadonlyMap<string, string> = new Map([
  ['google.protobuf.Any', 'Any'],
  ['google.protobuf.Duration', 'Duration'],
  ['google.protobuf.Timestamp', 'Timestamp'],
  ['google.protobuf.Empty', 'Empty'],
  ['google.protobuf.Struct', 'JsonObject'],
  ['google.protobuf.Value', 'JsonValue'],
  ['google.protobuf.ListValue', 'JsonValue[]'],
  ['google.protobuf.BoolValue', 'boolean'],
  ['google.protobuf.BytesValue', 'Uint8Array'],
  ['google.protobuf.DoubleValue', 'number'],
  ['google.protobuf.FloatValue', 'number'],
  ['google.protobuf.Int32Value', 'number'],
  ['google.protobuf.Int64Value', 'bigint'],
  ['google.protobuf.StringValue', 'string'],
  ['google.protobuf.UInt32Value', 'number'],
  ['google.protobuf.UInt64Value', 'bigint'],
]);

function fieldModel(field: protobuf.Field): FieldModel {
  field.resolve();
  const resolved = field.resolvedType;
  // A proto3 optional field sits in a oneof of its own that only the compiler sees.
  const isOptional = field.options?.['proto3_optional'] === true;
  if (field.id > 1000)
    throw new Error(`${field.fullName}: number ${field.id} makes a sparse table`);
  if (field.name in {}) throw new Error(`${field.fullName}: is a name of Object.prototype`);
  return {
    name: field.name,
    number: field.id,
    cardinality: field.map ? 'map' : field.repeated ? 'repeated' : 'one',
    mapKey: field instanceof protobuf.MapField ? field.keyType : undefined,
    hasPresence: isOptional,
    oneof: isOptional ? undefined : field.partOf?.name,
    type: resolved === null ? field.type : resolved.fullName.slice(1),
    deprecated: field.options?.['deprecated'] === true,
    kind: resolved === null ? 'scalar' : resolved instanceof protobuf.Enum ? 'enum' : 'message',
  };
}

function packageOfType(type: protobuf.ReflectionObject): string {
  let parent = type.parent;
  while (parent instanceof protobuf.Type) parent = parent.parent;
  return parent === null ? '' : parent.fullName.slice(1);
}

const byFullName = (a: { fullName: string }, b: { fullName: string }): number =>
  a.fullName < b.fullName ? -1 : a.fullName > b.fullName ? 1 : 0;

/** Everything reachable from the roots, sorted by name. */
export function buildModel(root: protobuf.Root, rootNames: readonly string[]): Model {
  const messages: MessageModel[] = [];
  const enums: EnumModel[] = [];
  const packageOf = new Map<string, string>();
  const pending = [...rootNames];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (packageOf.has(name) || wellKnownTypes.has(name)) continue;
    if (name.startsWith('google.protobuf.') && name !== 'google.protobuf.NullValue')
      throw new Error(`${name} has no form in memory yet`);
    const type = root.lookup(`.${name}`);
    if (type === null) throw new Error(`${name} is not declared`);
    packageOf.set(name, packageOfType(type));
    if (type instanceof protobuf.Enum) {
      enums.push({ fullName: name, values: Object.entries(type.values) });
    } else if (type instanceof protobuf.Type) {
      const fields = type.fieldsArray.map(fieldModel).sort((a, b) => a.number - b.number);
      messages.push({ fullName: name, fields });
      pending.push(...fields.filter((f) => f.kind !== 'scalar').map((f) => f.type));
    }
  }
  return { messages: messages.sort(byFullName), enums: enums.sort(byFullName), packageOf };
}
