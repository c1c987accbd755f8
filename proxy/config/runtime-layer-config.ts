// [m] What comes by RTDS (envoy.service.runtime.v3.Runtime): the values of one layer of the runtime.
export interface RuntimeValuesConfig {
  readonly name: string;
  readonly version: string;
  /** Keys joined with dots; values as text. */
  readonly values: ReadonlyMap<string, string>;
}
