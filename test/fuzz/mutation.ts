// Small damage to valid bytes, of the kinds that make two readers disagree.
import type { RandomSource } from '../../proxy/base/random.ts';
import { below, pick } from './generated-message.ts';

const SPLICES = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '\x0b',
  '\x85',
  '\xa0',
  '0',
  '+',
  '-',
  '_',
  '0x',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'transfer-encoding:\x0bchunked\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'content-length: +3\r\n',
  'Content-Length : 1\r\n',
  ' folded\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'Host: evil\r\n',
  '0\r\n\r\n',
  'ffffffff\r\n',
  'GET /spliced HTTP/1.1\r\nHost: evil\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
] as const;

function mutateOnce(random: RandomSource, text: string): string {
  const at = below(random, text.length + 1);
  const end = Math.min(text.length, at + 1 + below(random, 12));
  switch (below(random, 8)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(below(random, 256)) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + pick(random, SPLICES) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(end);
    case 3:
      return text.slice(0, end) + text.slice(at, end) + text.slice(end);
    case 4: {
      // At the beginning of a line, where fields stand.
      const lineEnd = text.indexOf('\r\n', at);
      if (lineEnd < 0) return text;
      return text.slice(0, lineEnd + 2) + pick(random, SPLICES) + text.slice(lineEnd + 2);
    }
    case 5:
      return text.replace(
        pick(random, ['\r\n', ': ', 'chunked', 'HTTP/1.1']),
        pick(random, SPLICES),
      );
    case 6:
      return text.replace(/\d+/, (digits) => String(Number(digits) + 1 + below(random, 9)));
    default:
      return text.slice(0, at);
  }
}

export function mutate(random: RandomSource, text: string): string {
  let mutated = text;
  for (let times = 1 + below(random, 3); times > 0; times--) mutated = mutateOnce(random, mutated);
  return mutated;
}
