// [w] Header text to metadata values: strings, numbers as absl's SimpleAtod reads them, Base64 as Envoy's own decoder.
import type { MetadataValue } from '../../config/metadata-value.ts';
import { protobufValue } from './protobuf-value.ts';

/** Byte strings in and out; undefined: the text is no such value. */
export function metadataValue(
  text: string,
  type: 'STRING' | 'NUMBER' | 'PROTOBUF_VALUE',
): MetadataValue | undefined {
  switch (type) {
    case 'STRING':
      return text;
    case 'NUMBER':
      return numberOf(text);
    case 'PROTOBUF_VALUE':
      return protobufValue(Buffer.from(text, 'latin1'));
  }
}

const BASE64 = /^[A-Za-z0-9+/]+$/;

/** Padding may be short or missing, bits behind the last byte must be zero. Undefined where it is none, or empty. */
export function base64Decoded(text: string): string | undefined {
  let end = text.length;
  while (end > 0 && text.length - end < 2 && text.charCodeAt(end - 1) === 0x3d) end--;
  const digits = text.slice(0, end);
  if (end % 4 === 1 || !BASE64.test(digits)) return undefined;
  const bytes = Buffer.from(digits, 'base64');
  const again = bytes.toString('base64');
  return again.slice(0, end) === digits ? bytes.toString('latin1') : undefined;
}

const DECIMAL = /^[ \t\n\v\f\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?[ \t\n\v\f\r]*$/i;
const SPECIAL = /^[ \t\n\v\f\r]*([+-]?)(inf|infinity|nan(?:\([a-z0-9_]*\))?)[ \t\n\v\f\r]*$/i;
const HEX =
  /^[ \t\n\v\f\r]*([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?[ \t\n\v\f\r]*$/i;

/** As absl's SimpleAtod; undefined: no number. */
export function numberOf(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  const special = SPECIAL.exec(text);
  if (special !== null) {
    if (special[2]!.startsWith('n') || special[2]!.startsWith('N')) return NaN;
    return special[1] === '-' ? -Infinity : Infinity;
  }
  const hex = HEX.exec(text);
  if (hex === null) return undefined;
  const [, sign, whole = '', part = '', exponent = '0'] = hex;
  if (whole === '' && part === '') return undefined;
  let size = 0;
  for (const digit of whole + part) size = size * 16 + Number(`0x${digit}`);
  size *= 2 ** (Number(exponent) - 4 * part.length);
  return sign === '-' ? -size : size;
}
