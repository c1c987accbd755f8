// The result file and the tables of a run.
import type { Machine } from './machine.ts';
import type { CaseResult, PeerResult } from './measure.ts';
import { METRICS } from './metrics.ts';
import type { Metric } from './metrics.ts';
import type { MissingPeer } from './peers.ts';
import { spreadOf } from './statistics.ts';

export interface RunReport {
  readonly format: 2;
  readonly when: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly method: {
    readonly load: string;
    readonly rounds: number;
    readonly durationMs: number;
    readonly warmUpMs: number;
    readonly proxyCpus: string;
    /** Runnable tasks per CPU before the run, one minute's mean: much above 0 and the numbers are not to be trusted. */
    readonly busyBefore: number;
  };
  readonly cases: readonly CaseResult[];
  readonly missing: readonly MissingPeer[];
}

const GROUPS = ['load', 'latency', 'memory'] as const;

function cell({ samples }: PeerResult, name: string, { digits }: Metric): string {
  const values = samples[name] ?? [];
  if (values.length === 0) return '–';
  const { median, least, most } = spreadOf(values);
  const text = median.toFixed(digits);
  return values.length === 1 ? text : `${text} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

/** Markdown, aligned so that it reads well in a terminal too. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(rows[0] ?? []), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n');
}

/** One table for each group of metrics that has any value. */
export function caseTables({ peers }: CaseResult): string {
  const tables: string[] = [];
  for (const group of GROUPS) {
    const columns = [...METRICS].filter(
      ([name, metric]) =>
        metric.group === group && peers.some(({ samples }) => samples[name] !== undefined),
    );
    if (columns.length === 0) continue;
    const measured = peers.filter(({ samples }) =>
      columns.some(([name]) => samples[name] !== undefined),
    );
    tables.push(
      markdownTable([
        ['proxy', ...columns.map(([, { title }]) => title)],
        ...measured.map((peer) => [
          peer.peer,
          ...columns.map(([name, metric]) => cell(peer, name, metric)),
        ]),
      ]),
    );
  }
  return tables.join('\n\n');
}

export function reportText(report: RunReport): string {
  const { machine, method, cases } = report;
  const versions = new Map(
    cases.flatMap(({ peers }) => peers.map((one) => [one.peer, one.version])),
  );
  const parts = [
    `commit ${report.commit} · ${machine.cpus} × ${machine.cpu} · Linux ${machine.kernel} · Node ${machine.node}`,
    `${method.rounds} rounds of ${method.durationMs / 1_000} s, load by ${method.load}, proxy on CPU ${method.proxyCpus}; median (least–most)`,
    [...versions].map(([name, version]) => `${name}: ${version}`).join(' · '),
  ];
  if (method.busyBefore > 0.3)
    parts.push(
      `WARNING: the machine was busy before the run (${method.busyBefore.toFixed(2)} tasks per CPU)`,
    );
  for (const result of cases) {
    parts.push(`### ${result.meaning}\n\n\`${result.name}\`, backend ${result.backend}`);
    if (result.peers.length > 0) parts.push(caseTables(result));
    for (const { peer, reason } of result.skipped) parts.push(`SKIPPED: ${peer}: ${reason}`);
    for (const { peer, reason } of result.failed) parts.push(`NOT MEASURED: ${peer}: ${reason}`);
  }
  for (const { name, reason } of report.missing) parts.push(`SKIPPED: ${name}: ${reason}`);
  return `${parts.join('\n\n')}\n`;
}
