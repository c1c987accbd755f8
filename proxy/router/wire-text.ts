// [b] Text from configuration as it looks on the wire. Header lines and paths are kept as latin1 strings, one
// character a byte (attack checklist 51), while configuration is UTF-8: `é` in a matcher means two bytes.
import { byteText } from '../base/byte-text.ts';

/** Same string for ASCII; else the UTF-8 bytes, one character each. */
export const wireText = byteText;

/** Protobuf strings that are not set are empty: both mean undefined. */
export const nonEmptyWireText = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : wireText(text);
