// The result file and the table of a run.
import type { CaseResult, PeerResult, Sample } from './measure.ts';
import type { MissingPeer } from './peers.ts';
import { spreadOf } from './statistics.ts';
import type { Spread } from './statistics.ts';

export interface RunReport {
  readonly format: 1;
  readonly when: string;
  readonly commit: string;
  readonly machine: {
    readonly cpu: string;
    readonly cpus: number;
    readonly kernel: string;
    readonly node: string;
  };
  readonly method: {
    readonly load: string;
    readonly rounds: number;
    readonly durationMs: number;
    readonly warmUpMs: number;
    readonly proxyCpus: string;
  };
  readonly cases: readonly CaseResult[];
  readonly missing: readonly MissingPeer[];
}

type Column = readonly [title: string, cell: (result: PeerResult) => string];

const spread = (samples: readonly Sample[], value: (sample: Sample) => number): Spread =>
  spreadOf(samples.map(value));

function withSpread({ median, least, most }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

const megabytes = (kilobytes: number): string => (kilobytes / 1_024).toFixed(1);

const cpuOf = (sample: Sample): number => sample.userUsPerRequest + sample.systemUsPerRequest;

const COLUMNS: readonly Column[] = [
  ['proxy', ({ peer, version }) => `${peer} ${version}`],
  [
    'requests/s',
    ({ samples }) =>
      withSpread(
        spread(samples, (one) => one.requestsPerSecond),
        0,
      ),
  ],
  ['CPU µs/request', ({ samples }) => withSpread(spread(samples, cpuOf), 1)],
  ['user µs', ({ samples }) => spread(samples, (one) => one.userUsPerRequest).median.toFixed(1)],
  [
    'system µs',
    ({ samples }) => spread(samples, (one) => one.systemUsPerRequest).median.toFixed(1),
  ],
  ['p50 µs', ({ samples }) => spread(samples, (one) => one.latencyP50Us).median.toFixed(0)],
  ['p99 µs', ({ samples }) => spread(samples, (one) => one.latencyP99Us).median.toFixed(0)],
  [
    'MB under load',
    ({ samples }) => megabytes(spread(samples, (one) => one.memory.privateDirtyKb).median),
  ],
  ['MB idle', ({ idleMemory }) => megabytes(idleMemory.privateDirtyKb)],
];

/** Markdown, aligned so that it reads well in a terminal too. */
export function caseTable({ peers }: CaseResult): string {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...peers.map((peer) => COLUMNS.map(([, cell]) => cell(peer))),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(rows[0] ?? []), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n');
}

export function reportText(report: RunReport): string {
  const { machine, method } = report;
  const parts = [
    `commit ${report.commit} · ${machine.cpus} × ${machine.cpu} · Linux ${machine.kernel} · Node ${machine.node}`,
    `${method.rounds} rounds of ${method.durationMs / 1_000} s, load by ${method.load}, proxy on CPU ${method.proxyCpus}; median (least–most)`,
  ];
  for (const result of report.cases) {
    parts.push(
      `### ${result.meaning}\n\n\`${result.name}\`, backend ${result.backend}\n\n${caseTable(result)}`,
    );
    for (const { peer, reason } of result.failed) parts.push(`NOT MEASURED: ${peer}: ${reason}`);
  }
  for (const { name, reason } of report.missing) parts.push(`SKIPPED: ${name}: ${reason}`);
  return `${parts.join('\n\n')}\n`;
}
