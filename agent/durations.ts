// [m] Go durations as Istio's configuration and environment write them: `45s`, `1m30s`, `250ms`.

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const PART = /([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)/y;

/** Milliseconds, or undefined where `text` is no duration of whole or broken units from hours to milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  PART.lastIndex = 0;
  let totalMs = 0;
  let at = 0;
  while (at < text.length) {
    const part = PART.exec(text);
    if (part === null) return undefined;
    totalMs += Number(part[1]) * UNIT_MS.get(part[2]!)!;
    at = PART.lastIndex;
  }
  return at === 0 ? undefined : Math.round(totalMs);
}
