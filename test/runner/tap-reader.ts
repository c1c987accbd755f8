// Reads the TAP 14 text one test file prints and counts its assertions: leaves only, never the lines that sum up a subtest.

export interface FailedAssertion {
  /** Names of the subtests around it and its own, outermost first. */
  readonly path: readonly string[];
  /** The YAML block under it, without indentation; empty where there is none. */
  readonly diagnostic: readonly string[];
}

export interface SkippedTest {
  readonly path: readonly string[];
  readonly reason: string;
}

export interface TapResult {
  readonly passed: number;
  readonly failed: readonly FailedAssertion[];
  readonly skipped: readonly SkippedTest[];
  /** Why the text as a whole cannot be trusted (no plan, wrong plan, bail out); undefined where it can. */
  readonly problem: string | undefined;
}

interface Point {
  readonly depth: number;
  readonly ok: boolean;
  readonly name: string;
  readonly directive: 'skip' | 'todo' | undefined;
  readonly reason: string;
  readonly diagnostic: string[];
}

/** One open level: the points below it that still wait for the line that sums them up. */
interface Level {
  readonly points: Outcome[];
  count: number;
  plan: number | undefined;
}

interface Outcome {
  readonly point: Point;
  readonly path: readonly string[];
}

const POINT = /^((?: {4})*)(not )?ok\b(?: +\d+)?(?: +-)? ?(.*)$/;
const PLAN = /^((?: {4})*)1\.\.(\d+)(?:\s*#\s*(.*))?$/;
const DIRECTIVE = /^(.*?)(?:^|\s)# *(SKIP|TODO)\S*\s*(.*)$/i;
const TIME = / # time=[\d.]+m?s$/;

/** Feed it lines in order, then ask for the result once. */
export class TapReader {
  readonly #levels: Level[] = [];
  #lastPoint: Point | undefined;
  #inDiagnostic: Point | undefined;
  #bailOut: string | undefined;
  /** Reason given with an empty plan (`1..0 # reason`), which skips the whole file. */
  #emptyPlanReason: string | undefined;

  line(text: string): void {
    if (this.#inDiagnostic !== undefined) {
      this.#diagnosticLine(this.#inDiagnostic, text);
      return;
    }
    const last = this.#lastPoint;
    if (last !== undefined && text === `${' '.repeat(last.depth * 4 + 2)}---`) {
      this.#inDiagnostic = last;
      return;
    }
    const point = POINT.exec(text);
    if (point !== null) {
      this.#point(readPoint(point));
      return;
    }
    const plan = PLAN.exec(text);
    if (plan !== null) this.#plan(plan[1]!.length / 4, Number(plan[2]), plan[3] ?? '');
    else if (/^ *Bail out!/.test(text)) this.#bailOut ??= text.trim();
  }

  result(): TapResult {
    const outcomes = this.#levels.flatMap((level) => level.points);
    const failed: FailedAssertion[] = [];
    const skipped: SkippedTest[] = [];
    let passed = 0;
    for (const { point, path } of outcomes) {
      if (point.directive !== undefined) {
        skipped.push({ path, reason: point.reason || `no reason (${point.directive})` });
      } else if (point.ok) passed++;
      else failed.push({ path, diagnostic: point.diagnostic });
    }
    if (this.#emptyPlanReason !== undefined) {
      skipped.push({ path: ['the whole file'], reason: this.#emptyPlanReason });
    }
    return { passed, failed, skipped, problem: this.#problem() };
  }

  #problem(): string | undefined {
    if (this.#bailOut !== undefined) return this.#bailOut;
    const top = this.#levels[0];
    if (top === undefined || (top.count === 0 && this.#emptyPlanReason === undefined)) {
      return 'it holds no test';
    }
    if (top.plan === undefined) return 'it ended before its plan: some tests did not run';
    if (top.plan !== top.count) return `it planned ${top.plan} tests and ran ${top.count}`;
    return this.#levels.length > 1 ? 'it ended inside a subtest' : undefined;
  }

  #point(point: Point): void {
    this.#lastPoint = point;
    const level = this.#level(point.depth);
    level.count++;
    const below =
      this.#levels.length > point.depth + 1 ? this.#levels[point.depth + 1]! : undefined;
    this.#levels.length = point.depth + 1;
    // A subtest marked todo counts as one, whatever happened inside it.
    if (below === undefined || below.points.length === 0 || point.directive !== undefined) {
      level.points.push({ point, path: [point.name] });
      return;
    }
    for (const inner of below.points) {
      level.points.push({ point: inner.point, path: [point.name, ...inner.path] });
    }
    // A subtest that fails although each of its assertions passed (a wrong plan, a throw) has failed itself.
    const innerFailed = below.points.some(({ point: p }) => !p.ok && p.directive === undefined);
    if (!point.ok && !innerFailed) level.points.push({ point, path: [point.name] });
  }

  #plan(depth: number, count: number, reason: string): void {
    const why = reason.replace(/^SKIP\S*\s*/i, '');
    if (depth === 0 && count === 0 && why !== '' && why !== 'no tests found') {
      this.#emptyPlanReason = why;
    }
    this.#level(depth).plan = count;
  }

  #level(depth: number): Level {
    while (this.#levels.length <= depth) {
      this.#levels.push({ points: [], count: 0, plan: undefined });
    }
    return this.#levels[depth]!;
  }

  #diagnosticLine(point: Point, text: string): void {
    const indent = point.depth * 4 + 2;
    if (text === `${' '.repeat(indent)}...`) {
      this.#inDiagnostic = undefined;
      this.#lastPoint = undefined;
    } else point.diagnostic.push(text.slice(indent));
  }
}

function readPoint(match: RegExpExecArray): Point {
  const text = match[3]!.replace(/ \{$/, '').replace(TIME, '');
  const directive = DIRECTIVE.exec(text);
  const kind = directive?.[2]?.toLowerCase();
  return {
    depth: match[1]!.length / 4,
    ok: match[2] === undefined,
    name: (directive?.[1] ?? text).replace(TIME, '').trim(),
    directive: kind === 'skip' || kind === 'todo' ? kind : undefined,
    reason: (directive?.[3] ?? '').replace(TIME, '').trim(),
    diagnostic: [],
  };
}
