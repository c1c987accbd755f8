// What must hold of the codec for any bytes at all. One round is one seed; a failure says the seed that repeats it.
import { SeededRandom } from '../../proxy/base/random.ts';
import { below, generateRequest, generateResponse } from './generated-message.ts';
import type { Field, GeneratedMessage, Message } from './generated-message.ts';
import { mutate } from './mutation.ts';
import { readByOurs } from './our-reading.ts';
import type { Kind, OurReading } from './our-reading.ts';
import { readStrictly } from './strict-reader.ts';

export interface Failure {
  readonly seed: number;
  readonly what: string;
  readonly bytes: string;
}

/** Joined as inline names are; an empty line of them joins to nothing. */
function grouped(fields: readonly Field[]): string[] {
  const byName = new Map<string, string[]>();
  for (const { name, value } of fields) {
    const values = byName.get(name) ?? [];
    byName.set(name, values);
    if (value !== '') values.push(value);
  }
  return [...byName].map(([name, values]) => `${name}=${values.join(',')}`).toSorted();
}

const said = (messages: readonly Message[]): string =>
  JSON.stringify(
    messages.map(({ start, fields, body, trailers }) => [
      start,
      grouped(fields),
      body,
      grouped(trailers),
    ]),
  );

function cutsOf(random: SeededRandom, length: number): number[] {
  const most = below(random, 3) === 0 ? 3 : 1 + below(random, 200);
  const cuts: number[] = [];
  for (let at = 0; at < length; at += cuts.at(-1)!) cuts.push(1 + below(random, most));
  return cuts;
}

/** Undefined: all holds. */
export function checkSeed(seed: number): Failure | undefined {
  const random = new SeededRandom(seed);
  const kind: Kind = below(random, 3) === 0 ? 'response' : 'request';
  const generate = kind === 'request' ? generateRequest : generateResponse;
  const messages = Array.from({ length: 1 + below(random, 4) }, () => generate(random));
  const valid = messages.map(({ wire }) => wire).join('');
  const damaged = below(random, 4) !== 0;
  const text = damaged ? mutate(random, valid) : valid;
  const cuts = [cutsOf(random, text.length), cutsOf(random, text.length)];
  try {
    const what = check(kind, text, cuts, damaged ? undefined : messages);
    return what === undefined ? undefined : { seed, what, bytes: text };
  } catch (error) {
    return { seed, what: `it threw: ${(error as Error).stack ?? ''}`, bytes: text };
  }
}

/** For kept inputs: the same, of given bytes. */
export function checkBytes(kind: Kind, text: string, seed: number): Failure | undefined {
  const random = new SeededRandom(seed);
  const what = check(
    kind,
    text,
    [cutsOf(random, text.length), text.split('').map(() => 1)],
    undefined,
  );
  return what === undefined ? undefined : { seed, what, bytes: text };
}

function check(
  kind: Kind,
  text: string,
  cuts: readonly (readonly number[])[],
  generated: readonly GeneratedMessage[] | undefined,
): string | undefined {
  const whole = readByOurs(kind, text, []);
  for (const cut of cuts) {
    const pieces = readByOurs(kind, text, cut);
    if (pieces.end !== whole.end) return `in pieces it ends '${pieces.end}', whole '${whole.end}'`;
    if (said(pieces.messages) !== said(whole.messages)) return 'in pieces it says something else';
  }
  if (generated !== undefined) {
    if (whole.end !== 'clean') return `a valid message ends '${whole.end}'`;
    if (said(whole.messages) !== said(generated))
      return 'a valid message is not read as it was meant';
  }
  return againstStrict(kind, text, whole) ?? writtenRight(kind, whole);
}

/** Where the letter of the RFC gives a clear meaning, ours is the same; no reader may see more of them than we. */
function againstStrict(kind: Kind, text: string, whole: OurReading): string | undefined {
  const strict = readStrictly(kind, text);
  if (strict.clean && said(strict.messages) !== said(whole.messages) && !isBounded(whole.end))
    return `a strict reader sees other messages; ours ends '${whole.end}'`;
  const common = Math.min(strict.messages.length, whole.messages.length);
  if (said(strict.messages.slice(0, common)) !== said(whole.messages.slice(0, common)))
    return 'a strict reader sees another message at the same place';
  return undefined;
}

/** Refusals that are policy, not grammar. */
const isBounded = (end: string): boolean =>
  end === 'until close' ||
  end.startsWith('http1.') ||
  end.startsWith('http.') ||
  end === 'low_version';

/** What goes out is valid by the letter, and says the same. */
function writtenRight(kind: Kind, { messages, written }: OurReading): string | undefined {
  if (messages.some(({ start }) => kind === 'request' && !/^[A-Z]+ \//.test(start)))
    return undefined;
  const strict = readStrictly(kind, written);
  if (!strict.clean)
    return `what is written is not valid: ${JSON.stringify(written.slice(0, 500))}`;
  return said(strict.messages) === said(messages)
    ? undefined
    : 'what is written says something else';
}
