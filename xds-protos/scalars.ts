// [m] Protobuf's scalar types by their code (descriptor-format.ts): how each is read, written, checked, and what its default is.
import { WireFault } from './proto-error.ts';
import { wireType, type WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const int32Min = -(2 ** 31);
const int32Max = 2 ** 31 - 1;
const uint32Max = 2 ** 32 - 1;

/** Also of `#`, an enum, and `>`, a message. */
export function wireTypeOfCode(code: string): number {
  switch (code) {
    case 's':
    case 'B':
    case '>':
      return wireType.lengthDelimited;
    case 'd':
    case 'X':
    case 'Y':
      return wireType.fixed64;
    case 'f':
    case 'x':
    case 'y':
      return wireType.fixed32;
    default:
      return wireType.varint;
  }
}

// oxlint-disable-next-line eslint/complexity -- one case for each scalar type
export function readScalar(reader: WireReader, code: string): unknown {
  switch (code) {
    case 's':
      return reader.string();
    case 'u':
      return reader.uint32();
    case 'b':
      return reader.bool();
    case 'i':
      return reader.int32();
    case 'd':
      return reader.double();
    case 'U':
      return reader.uint64();
    case 'I':
      return reader.int64();
    case 'B':
      return reader.bytes();
    case 'f':
      return reader.float();
    case 'z':
      return reader.sint32();
    case 'Z':
      return reader.sint64();
    case 'x':
      return reader.fixed32();
    case 'X':
      return reader.fixed64();
    case 'y':
      return reader.sfixed32();
    case 'Y':
      return reader.sfixed64();
    default:
      throw new Error(`xds-protos has no scalar code ${code}`);
  }
}

/** Writes a value without its tag. Throws a WireFault when the value does not fit the type. */
export function writeScalar(writer: WireWriter, code: string, value: unknown): void {
  switch (code) {
    case 's':
      if (typeof value !== 'string') throw wrongType(value, 'a string');
      return writer.string(value);
    case 'b':
      if (typeof value !== 'boolean') throw wrongType(value, 'a boolean');
      return writer.uint32(value ? 1 : 0);
    case 'B':
      if (!(value instanceof Uint8Array)) throw wrongType(value, 'a Uint8Array');
      return writer.bytes(value);
    case 'd':
      return writer.double(checkNumber(value));
    case 'f':
      return writer.float(checkNumber(value));
    case 'u':
      return writer.uint32(checkInteger(value, 0, uint32Max));
    case 'x':
      return writer.fixed32(checkInteger(value, 0, uint32Max));
    case 'i':
      return writer.int32(checkInteger(value, int32Min, int32Max));
    case 'z':
      return writer.sint32(checkInteger(value, int32Min, int32Max));
    case 'y':
      return writer.fixed32(checkInteger(value, int32Min, int32Max));
    default:
      return writeBigInt(writer, code, value);
  }
}

function writeBigInt(writer: WireWriter, code: string, value: unknown): void {
  if (typeof value !== 'bigint') throw wrongType(value, 'a bigint');
  const isUnsigned = code === 'U' || code === 'X';
  const fitting = isUnsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value);
  if (fitting !== value) throw new WireFault(`${value} does not fit into 64 bits`);
  if (code === 'Z') writer.sint64(value);
  else if (code === 'X' || code === 'Y') writer.fixed64(value);
  else writer.uint64(value);
}

function wrongType(value: unknown, wanted: string): WireFault {
  return new WireFault(`is ${value === null ? 'null' : `a ${typeof value}`}, must be ${wanted}`);
}

function checkNumber(value: unknown): number {
  if (typeof value !== 'number') throw wrongType(value, 'a number');
  return value;
}

function checkInteger(value: unknown, min: number, max: number): number {
  const number = checkNumber(value);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new WireFault(`${number} is not an integer from ${min} to ${max}`);
}

export function defaultScalar(code: string): unknown {
  switch (code) {
    case 's':
      return '';
    case 'b':
      return false;
    case 'B':
      return new Uint8Array();
    case 'I':
    case 'U':
    case 'Z':
    case 'X':
    case 'Y':
      return 0n;
    default:
      return 0;
  }
}

/** Minus zero is not the default: it differs on the wire. */
export function isDefaultScalar(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return Object.is(value, 0) || value === '' || value === false || value === 0n;
}
