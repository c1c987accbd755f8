// What a played case states: each statement is a sentence, true or not, with both sides to look at.
import { FACETS, printable, same } from './observation.ts';
import type { Observation } from './observation.ts';
import type { Played } from './play.ts';
import type { Facet, Row } from './row.ts';

export interface Statement {
  readonly text: string;
  readonly holds: boolean;
  /** What was compared; undefined: something else. */
  readonly facet?: Facet;
  /** The other side of the comparison; undefined: ours alone. */
  readonly other?: readonly [name: string, observation: Observation] | undefined;
}

const MOST_LINES = 60;
const CUT_FACETS: readonly Facet[] = ['client', 'upstream', 'log'];

export function statements(played: Played): Statement[] {
  const { row, ours, envoy, cut } = played;
  const theirs = envoy === undefined ? undefined : (['ENVOY', envoy] as const);
  const found: Statement[] = [
    notStuck('ours', ours, theirs),
    ...expected(row, ours).map((each) => ({ ...each, other: theirs })),
  ];
  if (envoy !== undefined) {
    found.push(notStuck('Envoy', envoy, theirs));
    for (const facet of FACETS) {
      const equal = same(ours, envoy, facet);
      const declared = row.differs?.where.includes(facet) === true;
      const text = declared ? `${facet}: differs from Envoy, as declared` : `${facet}: as Envoy`;
      found.push({ text, facet, holds: equal !== declared, other: theirs });
    }
  }
  for (const [name, other] of cut) {
    for (const facet of CUT_FACETS) {
      const holds =
        same(ours, other, facet) || (facet === 'upstream' && sameButForReset(ours, other));
      found.push({ text: `${facet}: the same ${name}`, facet, holds, other: [name, other] });
    }
  }
  return found;
}

/** Who sends on to a connection that was closed gets a reset: an upstream that answers in pieces does. */
function sameButForReset(a: Observation, b: Observation): boolean {
  const ended = ({ upstream }: Observation): string =>
    JSON.stringify(upstream.map((entry) => entry.replace(/<reset>$/, '<fin>')));
  return ended(a) === ended(b);
}

export const failures = (played: Played): Statement[] =>
  statements(played).filter(({ holds }) => !holds);

/** Both sides of a statement, for people. */
export function bothSides(ours: Observation, { other }: Statement): string {
  const mine = `OURS\n${printable(ours)}`;
  return other === undefined ? mine : `${mine}\n${other[0].toUpperCase()}\n${printable(other[1])}`;
}

/** Of the facet alone: the lines that only one side has, `-` ours, `+` the other's. */
export function unequalLines(ours: Observation, { other, facet }: Statement): string {
  if (other === undefined || facet === undefined) return '';
  const sides = [ours, other[1]].map((each) => printable(each, [facet]).split('\n'));
  const [mine, theirs] = sides as [string[], string[]];
  const only = (from: string[], without: string[], sign: string): string[] =>
    from.filter((line) => !without.includes(line)).map((line) => `${sign}${line}`);
  return [...only(mine, theirs, '-'), ...only(theirs, mine, '+')].slice(0, MOST_LINES).join('\n');
}

const notStuck = (who: string, { stuckAt }: Observation, other: Statement['other']): Statement => ({
  text:
    stuckAt === undefined ? `${who}: plays to the end` : `${who}: waited in vain for ${stuckAt}`,
  holds: stuckAt === undefined,
  other,
});

function expected(row: Row, ours: Observation): Statement[] {
  const { expect } = row;
  if (expect === undefined) return [];
  const found: Statement[] = [];
  if (expect.status !== undefined) {
    const wanted = String([expect.status].flat());
    const got = String(ours.statuses);
    found.push({ text: `ours: status ${wanted}, got ${got || 'none'}`, holds: wanted === got });
  }
  for (const facet of CUT_FACETS) {
    const pattern = expect[facet as 'client' | 'upstream' | 'log'];
    if (pattern === undefined) continue;
    const holds = pattern.test(ours[facet].join('\n'));
    found.push({ text: `ours: ${facet} is like ${String(pattern)}`, holds });
  }
  return found;
}
