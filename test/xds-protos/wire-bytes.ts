// Bytes of the wire format written by hand, and the error they end in.
import { ProtoError } from '../../xds-protos/proto-error.ts';

export const hex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** A field of wire type 2 around content. */
export function wrap(fieldNumber: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return new Uint8Array([(fieldNumber << 3) | 2, ...length, rest, ...content]);
}

export function errorOf(run: () => unknown): ProtoError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtoError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
