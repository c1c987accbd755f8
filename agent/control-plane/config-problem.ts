// [m] What is wrong with a configuration: file, document, line and field, and what the operator should do.

export interface ConfigProblem {
  /** An error keeps the file's last good configuration in force; a warning only tells. */
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** 1 for the first document of the file; 0 where the problem is the file's own. */
  readonly document: number;
  /** 1-based; 0 where unknown. */
  readonly line: number;
  /** Such as `spec.http[0].route[1].weight`; empty for the document as a whole. */
  readonly path: string;
  readonly message: string;
}

export function formatProblem(problem: ConfigProblem): string {
  let place = problem.file;
  if (problem.document > 0) place += `: document ${problem.document}`;
  if (problem.line > 0) place += `, line ${problem.line}`;
  if (problem.path !== '') place += `: ${problem.path}`;
  return `${problem.severity}: ${place}: ${problem.message}`;
}

export const hasErrors = (problems: readonly ConfigProblem[]): boolean =>
  problems.some((problem) => problem.severity === 'error');
