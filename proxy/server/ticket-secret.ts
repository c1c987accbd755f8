// [m] What the keys of session tickets are made from: of this process, the same for all of its workers.
import { fillRandom } from '../base/uuid.ts';

const BYTES = 32;

export function newTicketSecret(): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  fillRandom(bytes);
  return bytes;
}
