// [m] DER, as far as certificate requests and certificates need it (ITU X.690 §10). Why not a library: docs/adr/0009-own-der.md.

const concat = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

export function element(tag: number, content: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(tag), lengthBytes(content.length), content]);
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array =>
  element(0x30, concat(parts));

export const setOf = (...parts: readonly Uint8Array[]): Uint8Array => element(0x31, concat(parts));

/** `[number]`, holding other elements. */
export const constructed = (number: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  element(0xa0 | number, concat(parts));

/** `[number]` in place of the tag of a simple type. */
export const primitive = (number: number, content: Uint8Array): Uint8Array =>
  element(0x80 | number, content);

/** Of a number that is not negative, given by its bytes. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  return element(0x02, digits[0]! >= 0x80 ? concat([Uint8Array.of(0), digits]) : digits);
}

export const smallInteger = (value: number): Uint8Array => unsignedInteger(Uint8Array.of(value));

export const bool = (value: boolean): Uint8Array => element(0x01, Uint8Array.of(value ? 0xff : 0));

export const nothing: Uint8Array = element(0x05, new Uint8Array());

export const octetString = (content: Uint8Array): Uint8Array => element(0x04, content);

/** `unused`: bits at the end that do not count. */
export const bitString = (content: Uint8Array, unused = 0): Uint8Array =>
  element(0x03, concat([Uint8Array.of(unused), content]));

export const utf8String = (text: string): Uint8Array => element(0x0c, Buffer.from(text, 'utf8'));

/** `1.2.840.…` */
export function objectIdentifier(text: string): Uint8Array {
  const [first, second, ...rest] = text.split('.').map(Number) as [number, number, ...number[]];
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      septets.unshift(0x80 | (left % 128));
    bytes.push(...septets);
  }
  return element(0x06, Uint8Array.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
export function time(wallMs: number): Uint8Array {
  const digits = new Date(wallMs).toISOString().replace(/[-:T]|\..*$/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? element(0x17, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : element(0x18, Buffer.from(`${digits}Z`, 'latin1'));
}

export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
