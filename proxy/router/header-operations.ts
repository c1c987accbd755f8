// [b] HeaderOperations: headers to add and remove, one after the other, each on what the one before left: unlike the
// header changes of routes, which come in groups (header-mutator.ts).
import type { HeaderOperationConfig } from '../config/header-mutation-filter-config.ts';
import type { HeaderAppendAction } from '../config/header-mutation-config.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { HeaderFormat } from './header-format.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { StringMatcher } from './string-matcher.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';

/** What %COMMANDS% in values may speak of. */
export interface MutationContext {
  readonly request: RequestHeaders;
  readonly response: ResponseHeaders | null;
  readonly info: StreamInfo;
}

interface Append {
  readonly name: HeaderName;
  readonly format: HeaderFormat;
  readonly action: HeaderAppendAction;
  readonly keepEmpty: boolean;
}

type Operation = HeaderName | StringMatcher | Append;

export class HeaderOperations {
  readonly #operations: readonly Operation[];

  /** Throws ConfigError with `place` for a bad regex or %COMMAND%. */
  constructor(
    configs: readonly HeaderOperationConfig[],
    place: string,
    environment: RouteEnvironment,
  ) {
    this.#operations = configs.map((config, i) => compile(config, `${place}[${i}]`, environment));
  }

  get empty(): boolean {
    return this.#operations.length === 0;
  }

  apply(headers: HeaderMap, context: MutationContext): void {
    for (const operation of this.#operations) {
      if (operation instanceof StringMatcher) removeMatching(headers, operation);
      else if ('format' in operation) append(headers, operation, context);
      else remove(headers, operation);
    }
  }
}

function compile(
  config: HeaderOperationConfig,
  place: string,
  environment: RouteEnvironment,
): Operation {
  if (config.kind === 'remove') return headerName(config.name);
  if (config.kind === 'remove_on_match')
    return new StringMatcher(config.match, `${place}.remove_on_match.key_matcher`);
  const { name, value, action, keepEmptyValue } = config.add;
  return {
    name: headerName(name),
    format: new HeaderFormat(value, `${place}.append.header.value`, {
      environment: environment.format,
    }),
    action,
    keepEmpty: keepEmptyValue,
  };
}

function append(headers: HeaderMap, operation: Append, context: MutationContext): void {
  const { name, format, action, keepEmpty } = operation;
  const present = headers.has(name);
  if (action === 'ADD_IF_ABSENT' ? present : action === 'OVERWRITE_IF_EXISTS' && !present) return;
  const value = format.format(context.request, context.response, context.info);
  if (value === '' && !keepEmpty) return;
  // What is overwritten goes to the end, as in Envoy.
  if (action.startsWith('OVERWRITE')) headers.remove(name);
  headers.append(name, value);
}

function removeMatching(headers: HeaderMap, matcher: StringMatcher): void {
  for (let i = headers.size - 1; i >= 0; i--) {
    const name = headers.nameAt(i);
    if (!matcher.matches(name.text)) continue;
    headers.remove(name);
    i = Math.min(i, headers.size);
  }
  for (const pseudo of headers instanceof RequestHeaders ? REQUEST_PSEUDO : RESPONSE_PSEUDO)
    if (matcher.matches(pseudo.text)) remove(headers, pseudo);
}

const REQUEST_PSEUDO = [':method', ':path', ':authority', ':scheme'].map(headerName);
const RESPONSE_PSEUDO = [':status'].map(headerName);

function remove(headers: HeaderMap, name: HeaderName): void {
  if (headers instanceof RequestHeaders) {
    if (name.text === ':method') headers.method = '';
    else if (name.text === ':path') headers.path = '';
    else if (name.text === ':authority' || name.text === 'host') headers.authority = undefined;
    else if (name.text === ':scheme') headers.scheme = '';
    else headers.remove(name);
  } else if (headers instanceof ResponseHeaders && name.text === ':status') headers.status = 0;
  else headers.remove(name);
}
