// [m] google.protobuf.FieldMask on printed messages: keeps what the paths name. Paths may go through an Any.
import { findMessage } from '../../../xds-protos/descriptor-table.ts';
import { typeNameOfUrl } from '../../../xds-protos/any.ts';
import type { JsonObject, JsonValue } from '../../../xds-protos/well-known-types.ts';

/** Fields to keep; an empty node keeps all below it. */
export interface MaskNode {
  readonly fields: Map<string, MaskNode>;
}

/** `a.b,c`. */
export function parseFieldMask(text: string): MaskNode {
  const root: MaskNode = { fields: new Map() };
  for (const path of text.split(',')) {
    let node = root;
    for (const field of path.split('.')) {
      let next = node.fields.get(field);
      if (next === undefined) {
        next = { fields: new Map() };
        node.fields.set(field, next);
      }
      node = next;
    }
  }
  return root;
}

/** Undefined: a path names no field of the message, or goes on below a repeated or plain one. */
export function applyFieldMask(
  message: JsonObject,
  typeName: string,
  mask: MaskNode,
): JsonObject | undefined {
  const descriptor = findMessage(typeName);
  if (descriptor === undefined) return undefined;
  const kept = Object.create(null) as JsonObject;
  if (message['@type'] !== undefined) kept['@type'] = message['@type'];
  for (const [name, below] of mask.fields) {
    const field = descriptor.fields.find((each) => each.name === name);
    if (field === undefined) return undefined;
    const value = message[name];
    if (below.fields.size === 0) {
      if (value !== undefined) kept[name] = value;
      continue;
    }
    if (field.cardinality !== 'one' || field.code !== '>') return undefined;
    if (value === undefined) continue;
    const masked = applyBelow(value, field.typeName, below);
    if (masked === undefined) return undefined;
    kept[name] = masked;
  }
  return kept;
}

function applyBelow(value: JsonValue, typeName: string, mask: MaskNode): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const packed = value['@type'];
  return applyFieldMask(value, typeof packed === 'string' ? typeNameOfUrl(packed) : typeName, mask);
}
