// Where we answer otherwise than Envoy 1.40 on purpose: name of the row and the reason. Everything not listed here is compared byte for byte.

export const declaredDifferences: ReadonlyMap<string, string> = new Map([
  [
    'a chunk longer than its size',
    'Envoy cuts the chunk to its size and goes on; a proxy behind it may not (attack 19)',
  ],
  ['a chunk ended by LF', 'Envoy skips to the next line feed whatever is there (attack 19)'],
  [
    'two at signs in the host',
    'Envoy checks this in absolute targets only; no honest authority has two',
  ],
  ['a flood of interim answers', 'Envoy throws them away for ever; we take 16 (attack 27)'],
  [
    '101 that nobody asked for',
    'Envoy passes it on; to a client that asked for nothing it is a desync (attack 27)',
  ],
  [
    'HTTP/1.0 chunked',
    'Envoy keeps the connection; RFC 9112 §6.1 calls the framing faulty (attack 9)',
  ],
  [
    'trailers that would frame',
    'Envoy forwards Content-Length, Host and Transfer-Encoding in trailers (attack 20)',
  ],
  [
    'pipelined requests in one packet, answers in order',
    'Envoy 1.40 forgets what was pipelined behind a reply of its own',
  ],
  ['an upstream that sends a status that is none', 'Envoy writes the status 2000 to the client'],
]);
