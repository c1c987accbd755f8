// [w] Numbers in x-envoy headers, as Envoy reads them: decimal, a plus sign allowed, at most 64 bits.

/** NaN for anything else. Exact up to 2^53, close to it beyond. */
export function unsignedInteger(text: string): number {
  const start = text.charCodeAt(0) === 0x2b ? 1 : 0;
  if (text.length === start || text.length - start > 20) return NaN;
  let value = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value < 2 ** 64 ? value : NaN;
}
