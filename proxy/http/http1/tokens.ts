// [w] Character classes of RFC 9110 §5.6.2 and RFC 3986 as lookup tables over single bytes.

const ALPHANUMERIC = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

function table(characters: string): Uint8Array {
  const bits = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) bits[characters.charCodeAt(i)] = 1;
  return bits;
}

/** Token characters, each mapped to its lower-case byte; 0 elsewhere. */
export const TOKEN_LOWER: Uint8Array = (() => {
  const lower = table(`!#$%&'*+-.^_\`|~${ALPHANUMERIC}`);
  for (let code = 0; code < 256; code++) {
    if (lower[code] === 1) lower[code] = code >= 0x41 && code <= 0x5a ? code + 32 : code;
  }
  return lower;
})();

/** Bytes allowed in field values: HTAB, visible ASCII, SP and obs-text. */
export const FIELD_VALUE: Uint8Array = (() => {
  const allowed = new Uint8Array(256);
  for (let code = 0; code < 256; code++)
    allowed[code] = code === 9 || (code >= 0x20 && code !== 0x7f) ? 1 : 0;
  return allowed;
})();

/** Characters of an authority, as Envoy 1.40 takes them (envoy-behaviour §2.1). */
export const AUTHORITY: Uint8Array = table(`!$%&'()*+,-.:;=@[]_~${ALPHANUMERIC}`);

/** Value of a hexadecimal digit, 255 for anything else. */
export const HEX_VALUE: Uint8Array = (() => {
  const values = new Uint8Array(256).fill(255);
  for (let i = 0; i < 10; i++) values[0x30 + i] = i;
  for (let i = 0; i < 6; i++) {
    values[0x41 + i] = 10 + i;
    values[0x61 + i] = 10 + i;
  }
  return values;
})();

export const isToken = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || TOKEN_LOWER[code] === 0) return false;
  }
  return text.length > 0;
};

export const hasAuthorityBytes = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || AUTHORITY[code] === 0) return false;
  }
  return true;
};

/** An empty authority is legal (`Host:`), as is any mix of the characters above with at most one `@`. */
export const isAuthority = (text: string): boolean => {
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || AUTHORITY[code] === 0) return false;
    if (code === 0x40) at++;
  }
  return at < 2;
};

/** No CR, LF, NUL or other control byte may be written (attack 28); latin1 only. */
export const isFieldValue = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || FIELD_VALUE[code] === 0) return false;
  }
  return true;
};

/** Methods the HTTP/1 parser takes (envoy-behaviour §2.1), by first byte, the usual ones first. */
const METHODS_BY_FIRST: readonly (readonly string[] | undefined)[] = (() => {
  const table: (string[] | undefined)[] = Array.from({ length: 256 });
  const all =
    'GET POST PUT DELETE HEAD PATCH OPTIONS CONNECT TRACE ACL BIND CHECKOUT COPY LINK LOCK MERGE MKACTIVITY MKCALENDAR ' +
    'MKCOL MOVE MSEARCH NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK ' +
    'UNSUBSCRIBE';
  for (const method of all.split(' ')) (table[method.charCodeAt(0)] ??= []).push(method);
  return table;
})();

/** The method that stands in bytes [start, end), without making a string of them; undefined for one that is none. */
export function knownMethod(bytes: Buffer, start: number, end: number): string | undefined {
  const candidates = METHODS_BY_FIRST[bytes[start] ?? 0];
  if (candidates === undefined) return undefined;
  for (let i = 0; i < candidates.length; i++) {
    const method = candidates[i]!;
    if (method.length !== end - start) continue;
    let at = 1;
    while (at < method.length && method.charCodeAt(at) === bytes[start + at]) at++;
    if (at === method.length) return method;
  }
  return undefined;
}
