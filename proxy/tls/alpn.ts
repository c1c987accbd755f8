// [b] A list of protocols as ALPN has it on the wire (RFC 7301 §3.1): each behind its length.

export function alpnWire(protocols: readonly string[]): Buffer {
  return Buffer.concat(
    protocols.map((name) => {
      const bytes = Buffer.from(name, 'utf8');
      return Buffer.concat([Buffer.of(bytes.length), bytes]);
    }),
  );
}
