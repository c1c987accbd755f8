// [m] Decodes headers to add and remove, the same four fields on every level of a route table (envoy-behaviour §3.5).
import type { HeaderValueOption } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  HeaderAddConfig,
  HeaderAppendAction,
  HeaderMutationConfig,
} from '../config/header-mutation-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader } from './matcher-decoder.ts';

interface MutationFields {
  readonly request_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly request_headers_to_remove?: readonly string[] | undefined;
  readonly response_headers_to_add?: readonly HeaderValueOption[] | undefined;
  readonly response_headers_to_remove?: readonly string[] | undefined;
}

/** Most routes change no header: they share this. */
const NO_MUTATIONS: HeaderMutationConfig = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

const MAX_HEADER_BYTES = 16_384;

export function decodeHeaderMutations(source: FieldReader<object>): HeaderMutationConfig {
  const reader = source as FieldReader<MutationFields>;
  const { message } = reader;
  if (
    message.request_headers_to_add === undefined &&
    message.request_headers_to_remove === undefined &&
    message.response_headers_to_add === undefined &&
    message.response_headers_to_remove === undefined
  ) {
    return NO_MUTATIONS;
  }
  return {
    requestAdd: reader.children('request_headers_to_add').map(decodeHeaderAdd),
    requestRemove: decodeRemovals(reader, 'request_headers_to_remove'),
    responseAdd: reader.children('response_headers_to_add').map(decodeHeaderAdd),
    responseRemove: decodeRemovals(reader, 'response_headers_to_remove'),
  };
}

const isProtected = (name: string): boolean => name.startsWith(':') || name === 'host';

export function decodeHeaderAdd(reader: FieldReader<HeaderValueOption>): HeaderAddConfig {
  const header = reader.required('header');
  const name = (header?.requiredString('key') ?? '').toLowerCase();
  // As in Envoy, `raw_value` has no say here.
  const value = header?.string('value') ?? '';
  if (isProtected(name)) header?.problem('key', ':-prefixed or host headers may not be modified');
  if (name.length > MAX_HEADER_BYTES)
    header?.problem('key', `must be at most ${MAX_HEADER_BYTES} bytes long`);
  if (breaksHeader(name)) header?.problem('key', 'must not hold NUL, CR or LF');
  if (breaksHeader(value)) header?.problem('value', 'must not hold NUL, CR or LF');
  if (value.length > MAX_HEADER_BYTES)
    header?.problem('value', `must be at most ${MAX_HEADER_BYTES} bytes long`);
  return {
    name,
    value,
    action: appendAction(reader),
    keepEmptyValue: reader.bool('keep_empty_value'),
  };
}

function appendAction(reader: FieldReader<HeaderValueOption>): HeaderAppendAction {
  const action = reader.enumName('append_action', 'APPEND_IF_EXISTS_OR_ADD');
  const { append } = reader.message;
  if (append === undefined) return action;
  if (action !== 'APPEND_IF_EXISTS_OR_ADD') {
    reader.problem('append', 'both append and append_action are set; use append_action only');
  }
  return append ? 'APPEND_IF_EXISTS_OR_ADD' : 'OVERWRITE_IF_EXISTS_OR_ADD';
}

function decodeRemovals(
  reader: FieldReader<MutationFields>,
  field: 'request_headers_to_remove' | 'response_headers_to_remove',
): readonly string[] {
  const names = (reader.message[field] ?? []).map((name) => name.toLowerCase());
  names.forEach((name, index) => {
    const at = `${field}[${index}]`;
    if (name === '') reader.problem(at, 'is required');
    else if (isProtected(name)) reader.problem(at, ':-prefixed or host headers may not be removed');
    else if (breaksHeader(name)) reader.problem(at, 'must not hold NUL, CR or LF');
  });
  return names;
}
