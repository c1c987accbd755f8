// [w] Every %COMMAND% that Envoy 1.40 knows, by name; compiled once, at configuration. CEL commands are refused.
import { ADDRESS_COMMANDS } from './address-fields.ts';
import { checkForm, limited } from './field.ts';
import { formatError } from './format-command.ts';
import { HEADER_COMMANDS, REQ_WITHOUT_QUERY } from './header-fields.ts';
import { METADATA_COMMANDS } from './metadata-fields.ts';
import { STREAM_COMMANDS } from './stream-fields.ts';
import { TIME_COMMANDS } from './time-fields.ts';
import { TLS_COMMANDS } from './tls-fields.ts';
import type { CommandSpec, CompiledField, Field } from './field.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { FormatCommand } from './format-command.ts';

const BUILT_IN: ReadonlyMap<string, CommandSpec> = new Map([
  ...STREAM_COMMANDS,
  ...TIME_COMMANDS,
  ...ADDRESS_COMMANDS,
  ...HEADER_COMMANDS,
  ...METADATA_COMMANDS,
  ...TLS_COMMANDS,
]);

/** Names of all commands but those of extensions, for tests and docs. */
export const COMMAND_NAMES: readonly string[] = [...BUILT_IN.keys(), 'COALESCE'];

export interface CommandScope {
  readonly environment: FormatEnvironment;
  /** `%REQ_WITHOUT_QUERY(X)%` exists where the format lists its formatter extension. */
  readonly reqWithoutQuery: boolean;
}

/** Throws ConfigError that names the command. */
export function compileField(command: FormatCommand, scope: CommandScope): CompiledField {
  const { name } = command;
  if (name === 'CEL' || name === 'TYPED_CEL')
    throw formatError(`${name}: CEL expressions are not supported by this version`);
  if (name === 'COALESCE') return compileCoalesce(command, scope);
  const spec = specOf(name, scope);
  if (spec === undefined) throw formatError(`Not supported field in StreamInfo: ${name}`);
  checkForm(command, spec.form);
  return spec.compile(command, scope.environment);
}

function specOf(name: string, scope: CommandScope): CommandSpec | undefined {
  if (name === REQ_WITHOUT_QUERY[0])
    return scope.reqWithoutQuery ? REQ_WITHOUT_QUERY[1] : undefined;
  return BUILT_IN.get(name);
}

/** More operators are refused. */
const MAX_OPERATORS = 64;

/** `%COALESCE({"operators": ["NAME", {"command": "REQ", "param": "x", "max_length": 3}]})%`: the first that is there. */
function compileCoalesce(command: FormatCommand, scope: CommandScope): CompiledField {
  checkForm(command, 'required-length');
  const operators = operatorsOf(command.args!).map((operator, index) =>
    compileOperator(operator, index, scope),
  );
  const getters = operators.map((field): Field => {
    if (field.kind === 'getter') return field.get;
    const { value } = field;
    return () => value;
  });
  const first: Field = (entry) => {
    for (const get of getters) {
      const value = get(entry);
      if (value !== null) return value;
    }
    return null;
  };
  const needsMeter = operators.some(
    (field) => field.kind === 'getter' && field.needsMeter === true,
  );
  return { kind: 'getter', get: limited(first, command.maxLength), needsMeter };
}

function operatorsOf(json: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw formatError(`COALESCE: failed to parse JSON configuration: ${(error as Error).message}`);
  }
  const operators =
    typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, 'operators')
      ? (parsed as { readonly operators: unknown }).operators
      : undefined;
  if (operators === undefined)
    throw formatError("COALESCE: JSON configuration must contain 'operators' array");
  if (!Array.isArray(operators)) throw formatError("COALESCE: 'operators' must be an array");
  if (operators.length === 0) throw formatError("COALESCE: 'operators' array must not be empty");
  if (operators.length > MAX_OPERATORS)
    throw formatError(`COALESCE: 'operators' array has at most ${MAX_OPERATORS} entries`);
  return operators;
}

function compileOperator(operator: unknown, index: number, scope: CommandScope): CompiledField {
  const at = `COALESCE: failed to parse operator at index ${index}`;
  const command = operatorCommand(operator, at);
  if (command.name === 'COALESCE' || (specOf(command.name, scope) === undefined && !isCel(command)))
    throw formatError(`${at}: unknown command: '${command.name}'`);
  return compileField(command, scope);
}

const isCel = ({ name }: FormatCommand): boolean => name === 'CEL' || name === 'TYPED_CEL';

function operatorCommand(operator: unknown, at: string): FormatCommand {
  if (typeof operator === 'string')
    return { name: operator, args: undefined, maxLength: undefined };
  if (typeof operator !== 'object' || operator === null || Array.isArray(operator)) {
    throw formatError(
      `${at}: operator entry must be either a string (command name) or an object with 'command' field`,
    );
  }
  const fields = new Map(Object.entries(operator));
  const name: unknown = fields.get('command');
  const args: unknown = fields.get('param');
  const maxLength: unknown = fields.get('max_length');
  if (typeof name !== 'string')
    throw formatError(`${at}: operator object must have 'command' field`);
  if (args !== undefined && typeof args !== 'string')
    throw formatError(`${at}: 'param' must be a string`);
  if (
    maxLength !== undefined &&
    (typeof maxLength !== 'number' || !Number.isInteger(maxLength) || maxLength < 0)
  )
    throw formatError(`${at}: 'max_length' must be a number that is not negative`);
  return { name, args, maxLength };
}
