// [w] Query strings as logs print them, and filters read them.

const hexDigit = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
};

/** The byte of an escape at `at`, -1 where there is none. */
function escapedByte(text: string, at: number): number {
  if (at + 2 >= text.length) return -1;
  const high = hexDigit(text.charCodeAt(at + 1));
  const low = high < 0 ? -1 : hexDigit(text.charCodeAt(at + 2));
  return low < 0 ? -1 : high * 16 + low;
}

/** Bytes of `%41`; what is no escape stands for itself. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  let decoded = '';
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] === '%' ? escapedByte(text, i) : -1;
    if (byte < 0) decoded += text[i]!;
    else {
      decoded += String.fromCharCode(byte);
      i += 2;
    }
  }
  return decoded;
}

/** Behind the first `?`; null where the path has none. */
export function queryOf(path: string): string | null {
  const question = path.indexOf('?');
  return question < 0 ? null : path.slice(question + 1);
}

/** First parameter of that name, decoded; null where there is none. */
export function decodedQueryParameter(path: string, name: string): string | null {
  const query = queryOf(path);
  if (query === null) return null;
  const hash = query.indexOf('#');
  for (const pair of (hash < 0 ? query : query.slice(0, hash)).split('&')) {
    const equals = pair.indexOf('=');
    if (percentDecoded(equals < 0 ? pair : pair.slice(0, equals)) !== name) continue;
    return equals < 0 ? '' : percentDecoded(pair.slice(equals + 1));
  }
  return null;
}

const STAYS_ESCAPED = '"<>\\^{|}';

/** As Envoy: escapes of most visible characters are undone, those of others stay, what is no escape loses its `%`. */
export function decodedQuery(query: string): string {
  if (!query.includes('%')) return query;
  let decoded = '';
  for (let i = 0; i < query.length; i++) {
    if (query[i] !== '%' || i + 2 >= query.length) {
      decoded += query[i]!;
      continue;
    }
    const byte = escapedByte(query, i);
    if (byte < 0) continue;
    const visible =
      byte > 0x20 && byte < 0x7f && !STAYS_ESCAPED.includes(String.fromCharCode(byte));
    decoded += visible ? String.fromCharCode(byte) : query.slice(i, i + 3);
    i += 2;
  }
  return decoded;
}
