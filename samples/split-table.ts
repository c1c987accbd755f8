// The table of `npm run split`: a pure function of the answers.

export interface Answered {
  /** Of reviews, where the page tells it; else of the page. */
  readonly status: number;
  readonly version: string | undefined;
  readonly elapsedMs: number;
}

const BAR_CHARS = 40;

const countBy = <T>(items: readonly T[], key: (item: T) => string): [string, T[]][] =>
  [...Map.groupBy(items, key)].sort(([a], [b]) => (a < b ? -1 : 1));

/** 1 = the slowest, 0.5 = the median. */
export function percentileMs(answers: readonly Answered[], part: number): number {
  const sorted = answers.map(({ elapsedMs }) => elapsedMs).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

const latency = (answers: readonly Answered[]): string =>
  `p50 ${percentileMs(answers, 0.5).toFixed(1)} ms  p99 ${percentileMs(answers, 0.99).toFixed(1)} ms`;

/** Printable only: a version comes over the network. */
const safe = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 20);

/** One line a version, then one a status. */
export function splitText(answers: readonly Answered[]): string {
  const lines = countBy(answers, ({ version, status }) =>
    safe(version ?? (status === 200 ? 'unknown' : 'none')),
  ).map(([version, some]) => {
    const share = some.length / answers.length;
    const bar = '█'.repeat(Math.max(1, Math.round(share * BAR_CHARS))).padEnd(BAR_CHARS);
    const count = String(some.length).padStart(String(answers.length).length);
    return `  ${version.padEnd(8)} ${count}  ${(share * 100).toFixed(1).padStart(5)} %  ${bar}  ${latency(some)}`;
  });
  const statuses = countBy(answers, ({ status }) => String(status)).map(
    ([status, some]) => `${some.length} × ${status === '0' ? 'no answer' : status}`,
  );
  return `${lines.join('\n')}\n  reviews answered ${statuses.join(', ')}; all: ${latency(answers)}\n`;
}
