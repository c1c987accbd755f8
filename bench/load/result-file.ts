// Result files: bench/results/TIME-COMMIT.json, and beside it the chart.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { chartSvg } from './chart.ts';
import type { RunReport } from './report.ts';

export function resultPath(report: RunReport): string {
  const stamp = report.when.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const name = `${stamp}-${report.commit.replace('+', '-edited')}.json`;
  return join(dirname(import.meta.dirname), 'results', name);
}

/** Returns the paths of what was written. */
export function writeResult(report: RunReport, path: string): string[] {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
  const chart = `${path.replace(/\.json$/, '')}.svg`;
  writeFileSync(chart, chartSvg(report));
  return [path, chart];
}

export function readResult(path: string): RunReport {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<RunReport>;
  if (report.format !== 2 || !Array.isArray(report.cases))
    throw new Error(`${path} is no result file of format 2`);
  return report as RunReport;
}
