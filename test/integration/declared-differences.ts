// Where we answer otherwise than Envoy 1.40 on purpose: name of the row and the reason. Everything not listed here is compared byte for byte.

export const declaredDifferences: ReadonlyMap<string, string> = new Map([
  [
    'a chunk longer than its size',
    'Envoy cuts the chunk to its size and goes on; a proxy behind it may not (attack 19)',
  ],
  ['a chunk ended by LF', 'Envoy skips to the next line feed whatever is there (attack 19)'],
  [
    'part of the HTTP/2 preface',
    'Envoy chooses HTTP/2 and hangs up without a word; we speak no HTTP/2 yet and say 400',
  ],
  [
    'two at signs in the host',
    'Envoy checks this in absolute targets only; no honest authority has two',
  ],
]);
