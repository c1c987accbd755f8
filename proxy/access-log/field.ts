// [w] What the commands of a format compile to: getters that read one entry, made once, at configuration.
import { byteText } from '../base/byte-text.ts';
import { formatError } from './format-command.ts';
import type { FormatCommand } from './format-command.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

/** A byte string (log-text.ts), a number, or null for a missing value. */
export type FieldValue = string | number | null;
export type Field = (entry: AccessLogEntry) => FieldValue;

export type CompiledField =
  /** Known at configuration. */
  | { readonly kind: 'constant'; readonly value: FieldValue }
  | {
      readonly kind: 'getter';
      readonly get: Field;
      /** JSON text of the value where it is more than text or number; absent: made of what `get` gives. */
      readonly json?: (entry: AccessLogEntry) => string | null;
      /** Reads `info.meter`. */
      readonly needsMeter?: boolean;
    };

/** Which parentheses and lengths a command takes. */
export type CommandForm =
  /** `%NAME%` only. */
  | 'bare'
  /** `%NAME%`, `%NAME(args)%`. */
  | 'optional'
  /** The same, and `:Z`. */
  | 'optional-length'
  /** `%NAME(args)%`. */
  | 'required'
  | 'required-length';

export interface CommandSpec {
  readonly form: CommandForm;
  compile(command: FormatCommand, environment: FormatEnvironment): CompiledField;
}

export type CommandTable = readonly (readonly [name: string, spec: CommandSpec])[];

export const getter = (get: Field): CompiledField => ({ kind: 'getter', get });

/** Commands of the form `%NAME%`. */
export const bare = (fields: Readonly<Record<string, Field>>): CommandTable =>
  Object.entries(fields).map(([name, get]) => [name, { form: 'bare', compile: () => getter(get) }]);

/** Throws ConfigError in Envoy's words. */
export function checkForm({ name, args, maxLength }: FormatCommand, form: CommandForm): void {
  const given = args !== undefined && args !== '';
  if (form === 'bare') {
    if (given || maxLength !== undefined)
      throw formatError(`${name} does not take any parameters or length`);
    return;
  }
  if (!given && (form === 'required' || form === 'required-length'))
    throw formatError(`${name} requires parameters`);
  if (maxLength !== undefined && (form === 'optional' || form === 'required'))
    throw formatError(`${name} does not allow length to be specified.`);
}

/** Bytes of a text beyond the limit are left out. */
export function limited(field: Field, maxLength: number | undefined): Field {
  if (maxLength === undefined) return field;
  return (entry) => {
    const value = field(entry);
    return value === null ? null : String(value).slice(0, maxLength);
  };
}

export const orNull = (text: string): string | null => (text === '' ? null : text);

/** Names from configuration and of ours; the last one is kept with what it becomes, since requests come in runs of the same. */
export function configText(
  read: (info: StreamInfo) => string,
  shape: (text: string) => string = byteText,
): Field {
  let last = '';
  let lastBytes: string | null = null;
  return ({ info }) => {
    const text = read(info);
    if (text === last) return lastBytes;
    last = text;
    lastBytes = orNull(shape(text));
    return lastBytes;
  };
}

export const wireText =
  (read: (info: StreamInfo) => string): Field =>
  ({ info }) =>
    orNull(read(info));
