// [b] Text from configuration as it looks on the wire. Header lines and paths are kept as latin1 strings, one
// character a byte (attack checklist 51), while configuration is UTF-8: `é` in a matcher means two bytes.

/** Same string for ASCII; else the UTF-8 bytes, one character each. */
export function wireText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** Protobuf strings that are not set are empty: both mean undefined. */
export const nonEmptyWireText = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : wireText(text);
