// [m] A file of the downward API: labels or annotations of the pod, one `name="value"` a line, the value quoted as Go's %q does. Kubernetes: pkg/fieldpath.

const ESCAPE =
  /\\(?:([abfnrtv\\"'])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3}))/g;
const SINGLE: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);
const MAX_CODE_POINT = 0x10ffff;
/** For what is no character: a byte of no UTF-8, a number beyond Unicode. */
const REPLACEMENT = '\ufffd';

function unescape(
  _: string,
  single: string | undefined,
  byte: string | undefined,
  ...[short, long, octal]: (string | undefined)[]
): string {
  if (single !== undefined) return SINGLE.get(single) ?? single;
  const code =
    byte !== undefined
      ? Number(`0x${byte}`)
      : octal !== undefined
        ? Number(`0o${octal}`)
        : Number(`0x${short ?? long}`);
  const isByte = byte !== undefined || octal !== undefined;
  return code > MAX_CODE_POINT || (isByte && code > 0x7f)
    ? REPLACEMENT
    : String.fromCodePoint(code);
}

/** Lines of another shape are passed over. */
export function parseDownwardApiFile(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    const quoted = line.slice(equals + 1).trimEnd();
    if (equals <= 0 || quoted.length < 2 || !quoted.startsWith('"') || !quoted.endsWith('"'))
      continue;
    values.set(line.slice(0, equals).trim(), quoted.slice(1, -1).replace(ESCAPE, unescape));
  }
  return values;
}
