// [m] The one-letter codes of scalar types that generator and tables share.

/** Scalar type of the protobuf language to its code. */
export const scalarCodes: ReadonlyMap<string, string> = new Map([
  ['double', 'd'],
  ['float', 'f'],
  ['int32', 'i'],
  ['int64', 'I'],
  ['uint32', 'u'],
  ['uint64', 'U'],
  ['sint32', 'z'],
  ['sint64', 'Z'],
  ['fixed32', 'x'],
  ['fixed64', 'X'],
  ['sfixed32', 'y'],
  ['sfixed64', 'Y'],
  ['bool', 'b'],
  ['string', 's'],
  ['bytes', 'B'],
]);
