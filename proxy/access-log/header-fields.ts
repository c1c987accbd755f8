// [w] The commands that read headers and paths: REQ, RESP, TRAILER, REQ_WITHOUT_QUERY, PATH, QUERY_PARAM.
import { headerName, H } from '../http/headers.ts';
import { formatError } from './format-command.ts';
import { byteText } from './log-text.ts';
import type { FormatCommand } from './format-command.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { HeaderName } from '../http/headers.ts';

type TextField = (entry: AccessLogEntry) => string | null;

const HEADER_COMMANDS: ReadonlySet<string> = new Set([
  ...['REQ', 'RESP', 'TRAILER', 'REQ_WITHOUT_QUERY', 'PATH', 'QUERY_PARAM'],
]);

export const isHeaderCommand = (name: string): boolean => HEADER_COMMANDS.has(name);

export function compileHeaderField(command: FormatCommand): TextField {
  switch (command.name) {
    case 'PATH':
      return pathField(command.args ?? '');
    case 'QUERY_PARAM':
      return queryField(requiredArgs(command));
    case 'REQ_WITHOUT_QUERY': {
      const field = headerField({ ...command, name: 'REQ' });
      return (entry) => withoutQuery(field(entry));
    }
    default:
      return headerField(command);
  }
}

function requiredArgs(command: FormatCommand): string {
  if (command.args === undefined || command.args === '')
    throw formatError(`${command.name} requires parameters`);
  return command.args;
}

/** `X?Y`: X, and Y where X is missing. */
function headerField(command: FormatCommand): TextField {
  const names = byteText(requiredArgs(command)).toLowerCase().split('?');
  if (names.length > 2)
    throw formatError('More than 1 alternative header specified in token: ' + command.args!);
  const main = headerName(names[0]!);
  const other = names[1] === undefined || names[1] === '' ? undefined : headerName(names[1]);
  if (command.name === 'REQ') return requestField(main, other);
  return command.name === 'RESP' ? responseField(main, other) : trailerField(main, other);
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
function pathField(args: string): TextField {
  const [query = 'WQ', which = 'ORIG_OR_PATH'] = args === '' ? [] : args.split(':');
  if (query !== 'WQ' && query !== 'NQ')
    throw formatError(`Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
  if (which !== 'ORIG' && which !== 'PATH' && which !== 'ORIG_OR_PATH') {
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

const hexDigit = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
};

/** Bytes of `%41`; what is no escape stands for itself. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  let decoded = '';
  for (let i = 0; i < text.length; i++) {
    const high = text[i] === '%' && i + 2 < text.length ? hexDigit(text.charCodeAt(i + 1)) : -1;
    const low = high < 0 ? -1 : hexDigit(text.charCodeAt(i + 2));
    if (low < 0) decoded += text[i]!;
    else {
      decoded += String.fromCharCode(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

/** First parameter of that name, decoded. */
function queryField(name: string): TextField {
  const wanted = byteText(name);
  return ({ requestHeaders }) => {
    const path = requestHeaders?.path ?? '';
    const question = path.indexOf('?');
    if (question < 0) return null;
    const hash = path.indexOf('#', question);
    for (const pair of path.slice(question + 1, hash < 0 ? undefined : hash).split('&')) {
      const equals = pair.indexOf('=');
      if (percentDecoded(equals < 0 ? pair : pair.slice(0, equals)) !== wanted) continue;
      return equals < 0 ? '' : percentDecoded(pair.slice(equals + 1));
    }
    return null;
  };
}
