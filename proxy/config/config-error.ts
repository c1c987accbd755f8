// [b] An operator's fault: the field path and what to do, collected and never first-only.

export interface ConfigProblem {
  /** For example `listeners[2].filter_chains[0].filters[1].typed_config.route_config`. */
  readonly path: string;
  readonly message: string;
}

/** Thrown by decoders and validators; `message` joins all problems, one per line after the first. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((p) => (p.path === '' ? p.message : `${p.path}: ${p.message}`)).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
