// [w] Which Referer values Envoy passes on (envoy-behaviour §1.3, and seen on 1.40): absolute URLs with a host and neither
// user info nor fragment, and relative references made of URL characters.

const COLON = 0x3a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const HASH = 0x23;

/** Characters of a relative reference: RFC 3986 unreserved, sub-delims, `:@/?`, and `%`. */
const REFERENCE: Uint8Array = (() => {
  const set = new Uint8Array(256);
  const characters =
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789' + "-._~!$&'()*+,;=:@/?%";
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
})();

const isLetter = (code: number): boolean => {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
};

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

export function isValidReferer(value: string): boolean {
  const authority = authorityStart(value);
  return authority < 0 ? isRelative(value) : isCleanUrl(value, authority);
}

/** Index behind `scheme://`; -1 when there is none. */
function authorityStart(value: string): number {
  let i = 0;
  while (i < value.length && isLetter(value.charCodeAt(i))) i++;
  return i > 0 && value.startsWith('://', i) ? i + 3 : -1;
}

function isRelative(value: string): boolean {
  let seenSlash = false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === COLON && !seenSlash) return false;
    if (code === SLASH) seenSlash = true;
    else if (REFERENCE[code & 0xff] !== 1 || code > 0xff) return false;
  }
  return true;
}

function isCleanUrl(value: string, authority: number): boolean {
  const end = hostEnd(value, authority);
  if (end <= authority) return false;
  for (let i = end; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return false;
    // An empty fragment counts as none.
    if (code === HASH) return i === value.length - 1;
  }
  return true;
}

/** Index of the `/`, `?` or end behind host and port; -1 when that is none. User info is never taken. */
function hostEnd(value: string, start: number): number {
  let i = start;
  if (value[i] === '[') {
    i = value.indexOf(']', i);
    if (i < 0) return -1;
    i++;
  } else while (i < value.length && isHostCharacter(value.charCodeAt(i))) i++;
  if (i > start && value.charCodeAt(i) === COLON) {
    const portStart = ++i;
    while (i < value.length && isDigit(value.charCodeAt(i))) i++;
    if (i === portStart || Number(value.slice(portStart, i)) > 65_535) return -1;
  }
  const code = i < value.length ? value.charCodeAt(i) : SLASH;
  return code === SLASH || code === QUESTION ? i : -1;
}

const isHostCharacter = (code: number): boolean =>
  isLetter(code) || isDigit(code) || code === 0x2d || code === 0x2e || code === 0x5f;
