// [b] What formats know of the process.

export interface FormatEnvironment {
  /** `%HOSTNAME%`; undefined: prints as `-`. */
  readonly hostname: string | undefined;
  /** `%ENVIRONMENT(X)%`. */
  readonly variables: ReadonlyMap<string, string>;
}

export const EMPTY_ENVIRONMENT: FormatEnvironment = { hostname: undefined, variables: new Map() };
