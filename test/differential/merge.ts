// Puts one piece of configuration over another: objects field by field, everything else replaced, null removes.
import type { CaseConfig, Json } from './row.ts';

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function merge(under: Json, over: Json | undefined): Json {
  if (over === undefined) return under;
  const out: { [key: string]: unknown } = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete out[key];
    else if (isObject(value) && isObject(out[key])) out[key] = merge(out[key], value);
    else out[key] = value;
  }
  return out;
}

/** The file's configuration under the row's. */
export const mergeConfig = (
  under: CaseConfig | undefined,
  over: CaseConfig | undefined,
): CaseConfig => merge((under ?? {}) as Json, (over ?? {}) as Json) as CaseConfig;
