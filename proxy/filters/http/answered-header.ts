// [w] Header lines that a gRPC service answers with. Protobuf carries any text: what would break a message's head, or
// lie about its body, is left out.
import { isToken } from '../../http/http1/tokens.ts';

const BREAKS_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** Of messages themselves: a service has no say in them. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** `name` is lower case. */
export const isAnsweredHeader = (name: string, value: string): boolean =>
  isToken(name) && !FRAMING.has(name) && !BREAKS_VALUE.test(value);
