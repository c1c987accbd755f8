// [b] Header values with %COMMANDS% (envoy-behaviour §3.5, §11.1), compiled once. A missing value is '' here, where
// access logs print `-`; a value that could break a header line is dropped whole (attack checklist 28).
import { ConfigError } from '../config/config-error.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { longFlagName } from '../stream-info/response-flags.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { queryParameter } from './query-matcher.ts';
import { wireText } from './wire-text.ts';

/** One part of a value. `response` is null while only the request is known. */
type Part = (request: RequestHeaders, response: ResponseHeaders | null, info: StreamInfo) => string;

const COMMAND_NAME = /^[A-Z0-9_]+$/;

export class HeaderFormat {
  /** The value where no command is in it; else undefined. */
  readonly constant: string | undefined;
  readonly #parts: readonly Part[];

  /** Throws ConfigError with `place` for a command that does not exist. */
  constructor(text: string, place: string) {
    const parsed = parse(text, place);
    this.constant = parsed.every((part) => typeof part === 'string') ? parsed.join('') : undefined;
    this.#parts = parsed.map((part) => (typeof part === 'string' ? (): string => part : part));
  }

  format(request: RequestHeaders, response: ResponseHeaders | null, info: StreamInfo): string {
    if (this.constant !== undefined) return this.constant;
    let value = '';
    for (let i = 0; i < this.#parts.length; i++) value += this.#parts[i]!(request, response, info);
    return isSafe(value) ? value : '';
  }
}

function isSafe(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 0x0d || code === 0x0a || code === 0) return false;
  }
  return true;
}

function parse(text: string, place: string): (string | Part)[] {
  const parts: (string | Part)[] = [];
  let literal = '';
  let i = 0;
  while (i < text.length) {
    if (text[i] !== '%') {
      literal += text[i]!;
      i++;
    } else if (text[i + 1] === '%') {
      literal += '%';
      i += 2;
    } else {
      const command = readCommand(text, i, place);
      if (literal !== '') parts.push(wireText(literal));
      literal = '';
      parts.push(compileCommand(command, place));
      i = command.end;
    }
  }
  if (literal !== '' || parts.length === 0) parts.push(wireText(literal));
  return parts;
}

interface Command {
  readonly name: string;
  /** Undefined: no parentheses. */
  readonly args: string | undefined;
  readonly maxLength: number;
  readonly end: number;
}

/** `%NAME(args):maxlen%` from `start`. */
function readCommand(text: string, start: number, place: string): Command {
  const bad = (): ConfigError =>
    new ConfigError([
      { path: place, message: `Incorrect configuration: ${text}. Couldn't find valid command at position ${start}` },
    ]);
  const nameEnd = indexOfAny(text, '(:%', start + 1);
  const name = text.slice(start + 1, nameEnd);
  if (!COMMAND_NAME.test(name)) throw bad();
  let at = nameEnd;
  let args: string | undefined;
  if (text[at] === '(') {
    let close = text.indexOf(')', at);
    // The first `)` that is followed by what may follow the arguments.
    while (close >= 0 && text[close + 1] !== '%' && text[close + 1] !== ':') close = text.indexOf(')', close + 1);
    if (close < 0) throw bad();
    args = text.slice(at + 1, close);
    at = close + 1;
  }
  let maxLength = Infinity;
  if (text[at] === ':') {
    const end = text.indexOf('%', at);
    const digits = end < 0 ? '' : text.slice(at + 1, end);
    if (!/^[0-9]{1,9}$/.test(digits)) throw bad();
    maxLength = Number(digits);
    at = end;
  }
  if (text[at] !== '%') throw bad();
  return { name, args, maxLength, end: at + 1 };
}

function indexOfAny(text: string, stops: string, from: number): number {
  for (let i = from; i < text.length; i++) if (stops.includes(text[i]!)) return i;
  return text.length;
}

function compileCommand(command: Command, place: string): Part {
  const part = commandPart(command, place);
  const maxLength = command.maxLength;
  if (maxLength === Infinity) return part;
  return (request, response, info) => part(request, response, info).slice(0, maxLength);
}

function commandPart(command: Command, place: string): Part {
  const { name, args } = command;
  const simple = SIMPLE.get(name);
  if (simple !== undefined) return simple;
  switch (name) {
    case 'REQ': {
      const [first, second] = headerArgs(command, place);
      if (second === undefined) return (request) => request.getAny(first) ?? '';
      return (request) => request.getAny(first) ?? request.getAny(second) ?? '';
    }
    case 'RESP': {
      const [first, second] = headerArgs(command, place);
      return (_request, response) => {
        if (response === null) return '';
        return response.getAny(first) ?? (second === undefined ? '' : (response.getAny(second) ?? ''));
      };
    }
    case 'QUERY_PARAM': {
      if (args === undefined || args === '') throw requiresParameters(name, place);
      return (request) => queryParameter(request.path, args) ?? '';
    }
    case 'PATH':
      return pathPart(args ?? '');
    default:
      if (EMPTY.has(name)) return () => '';
      throw new ConfigError([{ path: place, message: `Not supported field in StreamInfo: ${name}` }]);
  }
}

const requiresParameters = (name: string, place: string): ConfigError =>
  new ConfigError([{ path: place, message: `${name} requires parameters` }]);

/** `X?Y`: X, and Y where X is missing. */
function headerArgs(command: Command, place: string): [HeaderName, HeaderName | undefined] {
  if (command.args === undefined || command.args === '') throw requiresParameters(command.name, place);
  const names = command.args.toLowerCase().split('?');
  if (names.length > 2) {
    const message = `${command.name} takes at most one alternative header, got '${command.args}'`;
    throw new ConfigError([{ path: place, message }]);
  }
  const second = names[1] === undefined || names[1] === '' ? undefined : headerName(names[1]);
  return [headerName(names[0]!), second];
}

/** `PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)`. */
function pathPart(args: string): Part {
  const [query = 'WQ', which = 'ORIG_OR_PATH'] = args === '' ? [] : args.split(':');
  return (request) => {
    const original = which === 'PATH' ? undefined : request.get(H.xEnvoyOriginalPath);
    const path = original ?? (which === 'ORIG' ? '' : request.path);
    const question = query === 'NQ' ? path.indexOf('?') : -1;
    return question < 0 ? path : path.slice(0, question);
  };
}

const withoutPort = (address: string): string => {
  const colon = address.lastIndexOf(':');
  if (colon < 0) return address;
  const host = address.slice(0, colon);
  return host.startsWith('[') ? host.slice(1, -1) : host;
};

const portOf = (address: string): string => {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? '' : address.slice(colon + 1);
};

const SIMPLE = new Map<string, Part>([
  ['PROTOCOL', (_q, _r, info) => info.protocol],
  ['START_TIME', (_q, _r, info) => new Date(info.startWallMs).toISOString()],
  ['DOWNSTREAM_REMOTE_ADDRESS', (_q, _r, info) => info.remoteAddress],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', (_q, _r, info) => info.remoteIp],
  ['DOWNSTREAM_REMOTE_PORT', (_q, _r, info) => portOf(info.remoteAddress)],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', (_q, _r, info) => info.connection.directRemoteAddress],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', (_q, _r, info) => info.connection.directRemoteIp],
  ['DOWNSTREAM_LOCAL_ADDRESS', (_q, _r, info) => info.connection.localAddress],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', (_q, _r, info) => info.connection.localIp],
  ['DOWNSTREAM_LOCAL_PORT', (_q, _r, info) => String(info.connection.localPort)],
  ['REQUESTED_SERVER_NAME', (_q, _r, info) => info.connection.requestedServerName],
  ['CONNECTION_ID', (_q, _r, info) => String(info.connection.connectionId)],
  ['STREAM_ID', (request) => request.get(H.xRequestId) ?? ''],
  ['UPSTREAM_HOST', (_q, _r, info) => info.upstreamHost],
  ['UPSTREAM_HOST_NAME', (_q, _r, info) => (info.upstreamHostName === '' ? info.upstreamHost : info.upstreamHostName)],
  ['UPSTREAM_REMOTE_ADDRESS', (_q, _r, info) => info.upstreamHost],
  ['UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', (_q, _r, info) => withoutPort(info.upstreamHost)],
  ['UPSTREAM_LOCAL_ADDRESS', (_q, _r, info) => info.upstreamLocalAddress],
  ['UPSTREAM_CLUSTER', (_q, _r, info) => info.upstreamCluster],
  ['UPSTREAM_CLUSTER_RAW', (_q, _r, info) => info.upstreamCluster],
  ['UPSTREAM_TRANSPORT_FAILURE_REASON', (_q, _r, info) => info.upstreamTransportFailureReason],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', (_q, _r, info) => String(info.attemptCount)],
  ['ROUTE_NAME', (_q, _r, info) => info.routeName],
  ['RESPONSE_CODE', (_q, _r, info) => String(info.responseCode)],
  ['RESPONSE_CODE_DETAILS', (_q, _r, info) => info.responseCodeDetails],
  ['RESPONSE_FLAGS', (_q, _r, info) => info.flags],
  ['RESPONSE_FLAGS_LONG', (_q, _r, info) => info.flags.split(',').map(longFlagName).join(',')],
  ['BYTES_RECEIVED', (_q, _r, info) => String(info.bytesReceived)],
  ['BYTES_SENT', (_q, _r, info) => String(info.bytesSent)],
]);

/** Commands that Envoy has and whose facts do not exist here yet: they are empty, as with Envoy on plain text. */
const EMPTY: ReadonlySet<string> = new Set([
  ...['LOCAL', 'PEER'].flatMap((side) => ['IP', 'DNS', 'URI', 'EMAIL'].map((kind) => `DOWNSTREAM_${side}_${kind}_SAN`)),
  ...['LOCAL_SUBJECT', 'PEER_SUBJECT', 'PEER_ISSUER', 'PEER_SERIAL', 'PEER_CERT'].map((what) => `DOWNSTREAM_${what}`),
  ...['SESSION_ID', 'CIPHER', 'VERSION'].map((what) => `DOWNSTREAM_TLS_${what}`),
  ...['PEER_FINGERPRINT_256', 'PEER_FINGERPRINT_1', 'PEER_CERT_V_START', 'PEER_CERT_V_END'].map((w) => `DOWNSTREAM_${w}`),
  ...['DYNAMIC_METADATA', 'UPSTREAM_METADATA', 'CLUSTER_METADATA', 'METADATA', 'FILTER_STATE', 'PER_REQUEST_STATE'],
  ...['TRAILER', 'TRACE_ID', 'HOSTNAME', 'VIRTUAL_CLUSTER_NAME', 'FILTER_CHAIN_NAME', 'UPSTREAM_PROTOCOL'],
]);
