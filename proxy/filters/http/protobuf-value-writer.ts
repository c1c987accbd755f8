// [w] Writes a google.protobuf.Struct (see struct.proto); strings are byte strings.
import type { ProtobufWriter } from '../../base/protobuf-writer.ts';
import type { MetadataStruct, MetadataValue } from '../../config/metadata-value.ts';

export function writeStruct(writer: ProtobufWriter, struct: MetadataStruct): void {
  for (const [key, value] of struct)
    writer.message(1, (entry) => {
      entry.text(1, key);
      entry.message(2, (to) => writeValue(to, value));
    });
}

/** A oneof is written also where it holds a zero. */
function writeValue(writer: ProtobufWriter, value: MetadataValue): void {
  if (value === null) writer.oneofNumber(1, 0);
  else if (typeof value === 'number') writer.double(2, value);
  else if (typeof value === 'string') writer.bytes(3, Buffer.from(value, 'latin1'));
  else if (typeof value === 'boolean') writer.oneofNumber(4, value ? 1 : 0);
  else if (value instanceof Map)
    writer.message(5, (inner) => writeStruct(inner, value as MetadataStruct));
  else
    writer.message(6, (list) => {
      for (const item of value as readonly MetadataValue[])
        list.message(1, (inner) => writeValue(inner, item));
    });
}
