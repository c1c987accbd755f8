// [b] Names of subjects and issuers as RFC 2253 writes them, the way BoringSSL prints them with XN_FLAG_RFC2253.
import { Tag } from './der-reader.ts';
import type { DerReader } from './der-reader.ts';

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'street'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'title'],
  ['2.5.4.13', 'description'],
  ['2.5.4.17', 'postalCode'],
  ['2.5.4.41', 'name'],
  ['2.5.4.42', 'GN'],
  ['2.5.4.43', 'initials'],
  ['2.5.4.44', 'generationQualifier'],
  ['2.5.4.46', 'dnQualifier'],
  ['2.5.4.65', 'pseudonym'],
  ['2.5.4.97', 'organizationIdentifier'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['1.2.840.113549.1.9.1', 'emailAddress'],
]);

/** `name`: the content of the Name's SEQUENCE. The last part of the name comes first. */
export function printName(name: DerReader): string {
  const parts: string[] = [];
  while (!name.done) {
    const set = name.expect(Tag.Set);
    const values: string[] = [];
    while (!set.done) values.push(printAttribute(set.expect(Tag.Sequence)));
    parts.push(values.toReversed().join('+'));
  }
  return parts.toReversed().join(',');
}

function printAttribute(attribute: DerReader): string {
  const oid = attribute.expect(Tag.ObjectId).objectId();
  const name = SHORT_NAMES.get(oid);
  const tag = attribute.peekTag();
  const text = name === undefined ? null : utf8Of(tag, attribute);
  if (text !== null) return `${name}=${escape(text)}`;
  const dump = Buffer.from(attribute.whole()).toString('hex').toUpperCase();
  return `${name ?? oid}=#${dump}`;
}

/** UTF-8 bytes of a string; null: no string. Consumes the element only where it gives text. */
function utf8Of(tag: number, attribute: DerReader): Buffer | null {
  switch (tag) {
    case Tag.Utf8String:
    case Tag.PrintableString:
    case Tag.Ia5String:
      return Buffer.from(attribute.next().rest());
    case Tag.T61String:
      return Buffer.from(attribute.next().text(), 'utf8');
    case Tag.BmpString: {
      const bytes = Buffer.from(attribute.next().rest());
      return bytes.length % 2 === 0
        ? Buffer.from(bytes.swap16().toString('utf16le'), 'utf8')
        : null;
    }
    default:
      return null;
  }
}

const SPECIAL = new Set(Buffer.from(',+"\\<>;', 'latin1'));
const SPACE = 0x20;
const HASH = 0x23;

function escape(bytes: Buffer): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    const edge =
      (i === 0 && (byte === SPACE || byte === HASH)) || (i === bytes.length - 1 && byte === SPACE);
    if (byte < SPACE || byte > 0x7e)
      text += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (edge || SPECIAL.has(byte)) text += `\\${String.fromCharCode(byte)}`;
    else text += String.fromCharCode(byte);
  }
  return text;
}
