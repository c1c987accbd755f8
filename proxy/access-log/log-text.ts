// [w] Text of log lines. Lines are byte strings (latin1, one character a byte): header values come off the wire like
// that, and go into the file as they came. Names from configuration are UTF-8 and are turned into such bytes first.
import { isUtf8 } from '../base/node-builtins.ts';

const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/g;

function escapeControl(char: string): string {
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** Control characters written out, so that a value stays within its line. */
export const escapeControls = (text: string): string => text.replace(CONTROL, escapeControl);

export function countOf(text: string, char: string): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0; at = text.indexOf(char, at + 1)) count++;
  return count;
}

const PLAIN_JSON = /^[ !#-[\]-~]*$/;
const ODD_BYTE = /[^ !#-[\]-~]/g;

/**
 * A JSON string of a byte string. Bytes that are no UTF-8 would make the line unreadable for JSON parsers: then every
 * byte outside plain ASCII is written as `\u00xx`, as Envoy does.
 */
export const jsonString = (bytes: string): string => `"${jsonPart(bytes)}"`;

/** The same without quotes: a part of a longer string. */
export function jsonPart(bytes: string): string {
  if (PLAIN_JSON.test(bytes)) return bytes;
  if (isUtf8(Buffer.from(bytes, 'latin1'))) return JSON.stringify(bytes).slice(1, -1);
  return bytes.replace(
    ODD_BYTE,
    (char) => `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
