// [m] The tables of all messages, read from gen/descriptors.txt one message at a time, when it is first met: start-up pays for
// an index of names only. The text is not kept: what a program has not met yet is read again when it is.
//
// A message is a line: full name, package, then `number:name:type` for each field, apart by spaces. The type is a scalar code of
// descriptor-format.ts, `>` and a message or `#` and an enum, whose name begins with a dot when it is in the same package.
// In front of it may stand `!` (deprecated), and then `*` (repeated), `%` and the code of the key (map), `?` (proto3 optional), `@` and a letter (oneof).
// An enum is a line that begins with `#`: full name, then `number:name` for each value.
// Not imported: node:fs would have all its properties read (docs/performance.md).
const fs = process.getBuiltinModule('node:fs');
/** build/emit.ts puts it beside the bundle. */
const TEXT_PLACE = new URL('./gen/descriptors.txt', import.meta.url);

export interface EnumDescriptor {
  readonly fullName: string;
  readonly nameOf: ReadonlyMap<number, string>;
  readonly numberOf: ReadonlyMap<string, number>;
}

export interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly cardinality: 'one' | 'repeated' | 'map';
  /** A scalar code, `>` for a message, `#` for an enum. */
  readonly code: string;
  /** Scalar code of the key of a map, else empty. */
  readonly mapKeyCode: string;
  /** A default value is kept apart from an absent one. */
  readonly hasPresence: boolean;
  /** Letter of the oneof, else empty. */
  readonly oneof: string;
  /** Full name of the message or enum, else empty. */
  readonly typeName: string;
  readonly deprecated: boolean;
}

/** Types whose form in memory is their own; the scalar code of a wrapper's content stands in `wrapped`. */
export type WellKnown = 'any' | 'time' | 'struct' | 'value' | 'list' | 'wrapper';

export interface MessageDescriptor {
  readonly fullName: string;
  /** In the order of their numbers. */
  readonly fields: readonly FieldDescriptor[];
  readonly byNumber: readonly (FieldDescriptor | undefined)[];
  readonly wellKnown: WellKnown | undefined;
  readonly wrapped: string;
}

const wellKnownMessages: ReadonlyMap<string, readonly [WellKnown, string]> = new Map([
  ['google.protobuf.Any', ['any', '']],
  ['google.protobuf.Duration', ['time', '']],
  ['google.protobuf.Timestamp', ['time', '']],
  ['google.protobuf.Struct', ['struct', '']],
  ['google.protobuf.Value', ['value', '']],
  ['google.protobuf.ListValue', ['list', '']],
  ['google.protobuf.BoolValue', ['wrapper', 'b']],
  ['google.protobuf.BytesValue', ['wrapper', 'B']],
  ['google.protobuf.DoubleValue', ['wrapper', 'd']],
  ['google.protobuf.FloatValue', ['wrapper', 'f']],
  ['google.protobuf.Int32Value', ['wrapper', 'i']],
  ['google.protobuf.Int64Value', ['wrapper', 'I']],
  ['google.protobuf.StringValue', ['wrapper', 's']],
  ['google.protobuf.UInt32Value', ['wrapper', 'u']],
  ['google.protobuf.UInt64Value', ['wrapper', 'U']],
]);

const messages = new Map<string, MessageDescriptor>();
const enums = new Map<string, EnumDescriptor>();

/** All lines. Types are met in their hundreds at a start, and hardly ever after; until then a collection may take this. */
class DescriptorText {
  readonly #text = fs.readFileSync(TEXT_PLACE, 'latin1');
  readonly #starts = new Map<string, number>();

  constructor() {
    const text = this.#text;
    for (let start = 0; start < text.length;) {
      this.#starts.set(text.slice(start, text.indexOf(' ', start)), start);
      start = text.indexOf('\n', start) + 1;
    }
  }

  lineOf(key: string): string | undefined {
    const start = this.#starts.get(key);
    return start === undefined
      ? undefined
      : this.#text.slice(start, this.#text.indexOf('\n', start));
  }
}

let kept: WeakRef<DescriptorText> | undefined;

function descriptorText(): DescriptorText {
  let text = kept?.deref();
  if (text === undefined) {
    text = new DescriptorText();
    kept = new WeakRef(text);
  }
  return text;
}

/** A copy: a piece of the text would keep it all. */
function wordsOf(key: string): string[] | undefined {
  const line = descriptorText().lineOf(key);
  return line === undefined ? undefined : Buffer.from(line, 'latin1').toString('latin1').split(' ');
}

/** The message of that full name, or undefined when it is not one of ours. */
export function findMessage(fullName: string): MessageDescriptor | undefined {
  let found = messages.get(fullName);
  if (found === undefined) {
    found = readMessage(fullName);
    if (found !== undefined) messages.set(fullName, found);
  }
  return found;
}

/** As findMessage, for names that come from our own tables or types: throws when there is none. */
export function getMessage(fullName: string): MessageDescriptor {
  const found = findMessage(fullName);
  if (found === undefined) throw new Error(`xds-protos has no message ${fullName}`);
  return found;
}

function readMessage(fullName: string): MessageDescriptor | undefined {
  const known = wellKnownMessages.get(fullName);
  if (known !== undefined) {
    return { fullName, fields: [], byNumber: [], wellKnown: known[0], wrapped: known[1] };
  }
  if (fullName === 'google.protobuf.Empty') {
    return { fullName, fields: [], byNumber: [], wellKnown: undefined, wrapped: '' };
  }
  // A '#' in front would find an enum.
  const line = fullName.startsWith('#') ? undefined : wordsOf(fullName);
  if (line === undefined) return undefined;
  const fields = line.slice(2).map((text) => readField(text, line[1] ?? ''));
  const byNumber: (FieldDescriptor | undefined)[] = [];
  for (const field of fields) {
    while (byNumber.length < field.number) byNumber.push(undefined);
    byNumber.push(field);
  }
  return { fullName, fields, byNumber, wellKnown: undefined, wrapped: '' };
}

// oxlint-disable-next-line eslint/complexity -- one choice for each mark of the table's notation
function readField(text: string, home: string): FieldDescriptor {
  const [number = '', name = '', ...typeParts] = text.split(':');
  const marked = typeParts.join(':');
  const deprecated = marked.startsWith('!');
  const type = deprecated ? marked.slice(1) : marked;
  const prefix = type[0] ?? '';
  const prefixLength =
    prefix === '*' || prefix === '?' ? 1 : prefix === '%' || prefix === '@' ? 2 : 0;
  const code = type[prefixLength] ?? '';
  const target = type.slice(prefixLength + 1);
  return {
    // As a key V8 knows it: a slice of the tables is looked up among all keys there are each time a field is written.
    name: Object.keys({ [name]: 0 })[0]!,
    number: Number(number),
    cardinality: prefix === '*' ? 'repeated' : prefix === '%' ? 'map' : 'one',
    code,
    mapKeyCode: prefix === '%' ? (type[1] ?? '') : '',
    hasPresence: prefix === '?' || prefix === '@' || code === '>',
    oneof: prefix === '@' ? (type[1] ?? '') : '',
    typeName: target.startsWith('.') ? home + target : target,
    deprecated,
  };
}

/** The enum of a field. */
export function getEnum(fullName: string): EnumDescriptor {
  const known = enums.get(fullName);
  if (known !== undefined) return known;
  const line = wordsOf(`#${fullName}`);
  if (line === undefined) throw new Error(`xds-protos has no enum ${fullName}`);
  const nameOf = new Map<number, string>();
  const numberOf = new Map<string, number>();
  for (const value of line.slice(1)) {
    const colon = value.indexOf(':');
    const number = Number(value.slice(0, colon));
    const name = value.slice(colon + 1);
    // An alias keeps the name that was declared first.
    if (!nameOf.has(number)) nameOf.set(number, name);
    numberOf.set(name, number);
  }
  const found: EnumDescriptor = { fullName, nameOf, numberOf };
  enums.set(fullName, found);
  return found;
}
