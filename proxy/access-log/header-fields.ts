// [w] The commands that read headers and paths: REQ, RESP, TRAILER, REQ_WITHOUT_QUERY, PATH, QUERY_PARAM(S), XFCC_VALUE,
// REQUESTED_SERVER_NAME (envoy-behaviour §11.1).
import { headerName, H } from '../http/headers.ts';
import { isToken } from '../http/http1/tokens.ts';
import { getter, limited } from './field.ts';
import { formatError } from './format-command.ts';
import { byteText } from '../base/byte-text.ts';
import { decodedQuery, queryOf, decodedQueryParameter } from './query-text.ts';
import { xfccValue } from './xfcc-value.ts';
import type { CommandSpec, CommandTable } from './field.ts';
import type { FormatCommand } from './format-command.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { HeaderName } from '../http/headers.ts';

type TextField = (entry: AccessLogEntry) => string | null;
type Headers = 'request' | 'response' | 'trailer';

/** `X?Y`: X, and Y where X is missing. */
function headerField(from: Headers, { args = '' }: FormatCommand): TextField {
  const names = byteText(args).toLowerCase().split('?');
  if (names.length > 2)
    throw formatError(`More than 1 alternative header specified in token: ${args}`);
  const main = namedHeader(names[0]!);
  const other = names[1] === undefined || names[1] === '' ? undefined : namedHeader(names[1]);
  if (from === 'request') return requestField(main, other);
  return from === 'response' ? responseField(main, other) : trailerField(main, other);
}

function namedHeader(name: string): HeaderName {
  if (!isToken(name.startsWith(':') ? name.slice(1) : name) && name !== '')
    throw formatError('Invalid header configuration. Format string contains invalid characters.');
  return headerName(name);
}

function requestField(main: HeaderName, other: HeaderName | undefined): TextField {
  if (main.text === ':method') return ({ requestHeaders: headers }) => headers?.method || null;
  return ({ requestHeaders: headers }) => {
    if (headers === undefined) return null;
    return headers.getAny(main) ?? (other === undefined ? null : (headers.getAny(other) ?? null));
  };
}

function responseField(main: HeaderName, other: HeaderName | undefined): TextField {
  return ({ responseHeaders: headers }) => {
    if (headers === undefined) return null;
    return headers.getAny(main) ?? (other === undefined ? null : (headers.getAny(other) ?? null));
  };
}

function trailerField(main: HeaderName, other: HeaderName | undefined): TextField {
  return ({ responseTrailers: trailers }) => {
    if (trailers === undefined) return null;
    return trailers.get(main) ?? (other === undefined ? null : (trailers.get(other) ?? null));
  };
}

function withoutQuery(path: string | null): string | null {
  const question = path === null ? -1 : path.indexOf('?');
  return question < 0 ? path : path!.slice(0, question);
}

/** `PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)`. */
function pathField({ args = '' }: FormatCommand): TextField {
  const [query = '', which = ''] = args.split(':');
  if (query !== '' && query !== 'WQ' && query !== 'NQ')
    throw formatError(`Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
  if (which !== '' && which !== 'ORIG' && which !== 'PATH' && which !== 'ORIG_OR_PATH') {
    throw formatError(
      `Invalid PATH option: '${which}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`,
    );
  }
  const path: TextField = ({ requestHeaders: headers }) => {
    if (headers === undefined) return null;
    const original = which === 'PATH' ? undefined : headers.get(H.xEnvoyOriginalPath);
    return original ?? (which === 'ORIG' || headers.path === '' ? null : headers.path);
  };
  return query === 'NQ' ? (entry) => withoutQuery(path(entry)) : path;
}

function queryField({ args = '' }: FormatCommand): TextField {
  const name = byteText(args);
  return ({ requestHeaders }) => decodedQueryParameter(requestHeaders?.path ?? '', name);
}

function wholeQueryField({ args = '' }: FormatCommand): TextField {
  if (args !== '' && args !== 'ORIG' && args !== 'DECODED')
    throw formatError(`Invalid QUERY_PARAMS option: '${args}', only 'ORIG'/'DECODED' are allowed`);
  if (args !== 'DECODED') return ({ requestHeaders }) => queryOf(requestHeaders?.path ?? '');
  return ({ requestHeaders }) => {
    const query = queryOf(requestHeaders?.path ?? '');
    return query === null ? null : decodedQuery(query);
  };
}

const ORDERS = ['SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'];
const HOSTS = ['ORIG_OR_HOST', 'HOST', 'ORIG'];

const allowed = (options: readonly string[]): string =>
  options.map((option) => `'${option}'`).join('/');

/** `REQUESTED_SERVER_NAME(SNI_ONLY|SNI_FIRST|HOST_FIRST:ORIG_OR_HOST|HOST|ORIG)`. */
function serverNameField({ args = '' }: FormatCommand): TextField {
  const [order = '', which = ''] = args.split(':');
  if (order !== '' && !ORDERS.includes(order))
    throw formatError(
      `Invalid REQUESTED_SERVER_NAME option: '${order}', only ${allowed(ORDERS)} are allowed`,
    );
  if (which !== '' && !HOSTS.includes(which))
    throw formatError(
      `Invalid REQUESTED_SERVER_NAME option: '${which}', only ${allowed(HOSTS)} are allowed`,
    );
  const serverName: TextField = ({ info }) => info.connection.requestedServerName || null;
  if (order === '' || order === 'SNI_ONLY') return serverName;
  const host: TextField = ({ requestHeaders: headers }) => {
    const original = which === 'HOST' ? undefined : headers?.get(H.xEnvoyOriginalHost);
    return original ?? (which === 'ORIG' ? null : (headers?.authority ?? null));
  };
  if (order === 'HOST_FIRST') return (entry) => host(entry) ?? serverName(entry);
  return (entry) => serverName(entry) ?? host(entry);
}

const XFCC_KEYS = new Set(['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns']);

const xfccField = (command: FormatCommand): TextField => {
  if (command.args === undefined || command.args === '')
    throw formatError('XFCC_VALUE command requires a subcommand');
  const key = command.args.toLowerCase();
  if (!XFCC_KEYS.has(key))
    throw formatError(`XFCC_VALUE command does not support subcommand: ${command.args}`);
  return ({ requestHeaders }) => {
    const header = requestHeaders?.get(H.xForwardedClientCert);
    return header === undefined ? null : xfccValue(header, key);
  };
};

const spec = (
  form: CommandSpec['form'],
  field: (command: FormatCommand) => TextField,
): CommandSpec => ({
  form,
  compile: (command) => getter(limited(field(command), command.maxLength)),
});

const headers = (from: Headers): CommandSpec =>
  spec('required-length', (command) => headerField(from, command));

export const HEADER_COMMANDS: CommandTable = [
  ...['REQ', 'REQUEST_HEADER', 'STREAM_INFO_REQ'].map((name): CommandTable[number] => [
    name,
    headers('request'),
  ]),
  ['RESP', headers('response')],
  ['RESPONSE_HEADER', headers('response')],
  ['TRAILER', headers('trailer')],
  ['RESPONSE_TRAILER', headers('trailer')],
  ['PATH', spec('optional-length', pathField)],
  ['QUERY_PARAM', spec('required-length', queryField)],
  ['QUERY_PARAMS', spec('optional-length', wholeQueryField)],
  ['REQUESTED_SERVER_NAME', spec('optional', serverNameField)],
  ['XFCC_VALUE', spec('optional-length', xfccField)],
];

/** Of the formatter extension `req_without_query`. */
export const REQ_WITHOUT_QUERY: CommandTable[number] = [
  'REQ_WITHOUT_QUERY',
  spec('required-length', (command) => {
    const field = headerField('request', command);
    return (entry) => withoutQuery(field(entry));
  }),
];
