// [w] Why a request is traced, as one character of its id says it.
import { TraceReason } from '../stream-info/trace-reason.ts';

/** Ids of another length say nothing. */
export const PACKED_ID_LENGTH = 36;
/** Index of the character of an id that tells the reason. */
const REASON_INDEX = 14;
const REASON_CHARACTERS = '49ab';

export function reasonIn(id: string): TraceReason {
  const index = REASON_CHARACTERS.indexOf(id[REASON_INDEX]!);
  return index <= 0 ? TraceReason.None : (index as TraceReason);
}

export const withReason = (id: string, reason: TraceReason): string =>
  id.slice(0, REASON_INDEX) + REASON_CHARACTERS[reason]! + id.slice(REASON_INDEX + 1);

/** The same id without a reason, where it can carry one. */
export const withoutReason = (id: string): string =>
  id.length === PACKED_ID_LENGTH ? withReason(id, TraceReason.None) : id;
