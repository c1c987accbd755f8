// [b] Text of configuration as the byte path holds text: one character a byte (latin1), as it comes off the wire.

const NOT_ASCII = /[^\u0000-\u007f]/;

/** The same string for ASCII; else its UTF-8 bytes, one character each. */
export const byteText = (text: string): string =>
  NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
