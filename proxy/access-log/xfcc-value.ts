// [w] Values of an x-forwarded-client-cert header (envoy-behaviour §9.5): `Key=value;Key="quoted value",next element`.

/** First value of `key` (lower-case) in the first element that has it; null where none has. */
export function xfccValue(header: string, key: string): string | null {
  for (let at = 0; at < header.length;) {
    while (header[at] === ' ' || header[at] === '\t') at++;
    const equals = header.indexOf('=', at);
    if (equals < 0) return null;
    const { value, end } = valueAt(header, equals + 1);
    if (header.slice(at, equals).toLowerCase() === key) return value;
    at = end + 1;
  }
  return null;
}

function valueAt(header: string, start: number): { readonly value: string; readonly end: number } {
  if (header[start] !== '"') {
    let end = start;
    while (end < header.length && header[end] !== ';' && header[end] !== ',') end++;
    return { value: header.slice(start, end), end };
  }
  let value = '';
  let at = start + 1;
  for (; at < header.length && header[at] !== '"'; at++) {
    if (header[at] === '\\' && at + 1 < header.length) at++;
    value += header[at]!;
  }
  return { value, end: at + 1 };
}
