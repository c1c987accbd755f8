// [m] One entry of VirtualService.spec.http: matches, actions, faults, retries. Istio: networking/v1 HTTPRoute.
import type { FieldReader } from './field-reader.ts';
import type {
  CorsPolicy,
  Destination,
  DirectResponse,
  Fault,
  HeaderOperations,
  Headers,
  HttpMatch,
  HttpRoute,
  Mirror,
  Redirect,
  Retries,
  Rewrite,
  StringMatch,
  ValueMatch,
  WeightedDestination,
} from './istio-model.ts';

const GRPC_STATUSES: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
const REDIRECT_CODES: readonly number[] = [301, 302, 303, 307, 308];

export function readStringMatch(field: FieldReader): StringMatch | undefined {
  if (!field.present) return undefined;
  field.object(['exact', 'prefix', 'regex']);
  const found = valueMatch(field);
  return found?.kind === 'present' ? field.fail('must have one of exact, prefix, regex') : found;
}

function valueMatch(field: FieldReader): ValueMatch | undefined {
  const kinds = (['exact', 'prefix', 'regex'] as const).filter((kind) => field.at(kind).present);
  const kind = kinds[0];
  if (kinds.length > 1) return field.fail(`must have only one of ${kinds.join(', ')}`);
  if (kind === undefined) return { kind: 'present' };
  const text = field.at(kind).text();
  if (text === undefined) return undefined;
  // `regex: "*"` is no expression, but Istio has always read it as "any value".
  if (kind === 'regex')
    return text === '*' || field.at(kind).regex() !== undefined ? { kind, value: text } : undefined;
  return { kind, value: text };
}

export function readValueMatches(field: FieldReader): Map<string, ValueMatch> {
  const matches = new Map<string, ValueMatch>();
  for (const [name, entry] of field.entries()) {
    entry.object(['exact', 'prefix', 'regex']);
    const match = valueMatch(entry);
    if (match === undefined) continue;
    const any = match.kind === 'present' || (match.kind === 'regex' && match.value === '*');
    matches.set(name.toLowerCase(), any ? { kind: 'present' } : match);
  }
  return matches;
}

function readMatch(field: FieldReader): HttpMatch {
  field.object([
    'name',
    'uri',
    'ignoreUriCase',
    'scheme',
    'method',
    'authority',
    'headers',
    'withoutHeaders',
    'queryParams',
    'port',
    'sourceLabels',
    'sourceNamespace',
    'gateways',
    'statPrefix',
  ]);
  const queryParams = new Map<string, ValueMatch>();
  for (const [name, entry] of field.at('queryParams').entries()) {
    const match = valueMatch(entry.object(['exact', 'prefix', 'regex']));
    if (match !== undefined) queryParams.set(name, match);
  }
  return {
    name: field.at('name').text() ?? '',
    uri: readStringMatch(field.at('uri')),
    ignoreUriCase: field.at('ignoreUriCase').flag() ?? false,
    scheme: readStringMatch(field.at('scheme')),
    method: readStringMatch(field.at('method')),
    authority: readStringMatch(field.at('authority')),
    headers: readValueMatches(field.at('headers')),
    withoutHeaders: readValueMatches(field.at('withoutHeaders')),
    queryParams,
    port: field.at('port').port(),
    sourceLabels: field.at('sourceLabels').textMap(),
    sourceNamespace: field.at('sourceNamespace').text(),
    gateways: field.at('gateways').texts(),
    statPrefix: field.at('statPrefix').text(),
  };
}

function readOperations(field: FieldReader): HeaderOperations {
  field.object(['set', 'add', 'remove']);
  return {
    set: field.at('set').textMap(),
    add: field.at('add').textMap(),
    remove: field.at('remove').texts(),
  };
}

function readHeaders(field: FieldReader): Headers {
  field.object(['request', 'response']);
  return {
    request: readOperations(field.at('request')),
    response: readOperations(field.at('response')),
  };
}

function readDestination(field: FieldReader): Destination {
  field.required().object(['host', 'subset', 'port']);
  field.at('port').object(['number']);
  return {
    host: field.present ? field.at('host').requiredText() : '',
    subset: field.at('subset').text() ?? '',
    port: field.at('port').at('number').port(),
  };
}

function readDestinations(field: FieldReader): WeightedDestination[] {
  const items = field.items();
  const destinations = items.map((item) => {
    item.object(['destination', 'weight', 'headers']);
    return {
      destination: readDestination(item.at('destination')),
      weight: item.at('weight').integer(0, 0x7fffffff) ?? 0,
      headers: readHeaders(item.at('headers')),
    };
  });
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  if (destinations.length > 1 && total === 0) field.fail('must have weights whose sum is above 0');
  if (total > 0xffffffff) field.fail('has weights whose sum is above 4294967295');
  return destinations;
}

/** `percentage.value` wins over the old whole-number `percent`; neither means all requests. */
function readPercent(field: FieldReader): number {
  field.at('percentage').object(['value']);
  if (field.at('percentage').present) return field.at('percentage').at('value').number(0, 100) ?? 0;
  return field.at('percent').integer(0, 100) ?? 100;
}

function readAbort(field: FieldReader): Fault['abort'] {
  if (!field.present) return undefined;
  field.object(['httpStatus', 'grpcStatus', 'percentage', 'percent']);
  const percent = readPercent(field);
  if (field.at('grpcStatus').present) {
    const grpcStatus = GRPC_STATUSES.indexOf(field.at('grpcStatus').text() ?? '');
    if (grpcStatus >= 0) return { grpcStatus, percent };
    return field.at('grpcStatus').fail(`must be one of ${GRPC_STATUSES.join(', ')}`);
  }
  const httpStatus = field.at('httpStatus').required().integer(200, 599);
  return httpStatus === undefined ? undefined : { httpStatus, percent };
}

export function readFault(field: FieldReader): Fault | undefined {
  if (!field.present) return undefined;
  field.object(['delay', 'abort']);
  const delay = field
    .at('delay')
    .object(['fixedDelay', 'percentage', 'percent', 'exponentialDelay'])
    .unsupported(['exponentialDelay']);
  const fixedDelayMs = delay.present ? delay.at('fixedDelay').required().durationMs() : undefined;
  if (!delay.present && !field.at('abort').present) field.fail('must have delay or abort');
  return {
    delay: fixedDelayMs === undefined ? undefined : { fixedDelayMs, percent: readPercent(delay) },
    abort: readAbort(field.at('abort')),
  };
}

function readRetries(field: FieldReader): Retries | undefined {
  if (!field.present) return undefined;
  field.object([
    'attempts',
    'perTryTimeout',
    'retryOn',
    'retryRemoteLocalities',
    'retryIgnorePreviousHosts',
    'backoff',
  ]);
  return {
    attempts: field.at('attempts').integer(0, 0x7fffffff) ?? 0,
    perTryTimeoutMs: field.at('perTryTimeout').durationMs(),
    retryOn: field.at('retryOn').text() ?? '',
    retryRemoteLocalities: field.at('retryRemoteLocalities').flag() ?? false,
    ignorePreviousHosts: field.at('retryIgnorePreviousHosts').flag() ?? true,
    backoffMs: field.at('backoff').durationMs(),
  };
}

function readRewrite(field: FieldReader): Rewrite | undefined {
  if (!field.present) return undefined;
  field.object(['uri', 'authority', 'uriRegexRewrite']);
  const regex = field.at('uriRegexRewrite').object(['match', 'rewrite']);
  const match = regex.at('match').regex();
  return {
    uri: field.at('uri').text(),
    authority: field.at('authority').text(),
    uriRegex:
      match === undefined ? undefined : { match, rewrite: regex.at('rewrite').text() ?? '' },
  };
}

function readRedirect(field: FieldReader): Redirect | undefined {
  if (!field.present) return undefined;
  field.object(['uri', 'authority', 'scheme', 'port', 'derivePort', 'redirectCode']);
  const code = field.at('redirectCode').integer(0, 999) ?? 301;
  if (!REDIRECT_CODES.includes(code))
    field.at('redirectCode').fail(`must be one of ${REDIRECT_CODES.join(', ')}`);
  return {
    uri: field.at('uri').text(),
    authority: field.at('authority').text(),
    scheme: field.at('scheme').choice(['http', 'https']),
    port:
      field.at('port').port() ??
      field.at('derivePort').choice(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'] as const),
    code,
  };
}

function readDirectResponse(field: FieldReader): DirectResponse | undefined {
  if (!field.present) return undefined;
  field.object(['status', 'body']);
  const body = field.at('body').object(['string', 'bytes']);
  const base64 = body.at('bytes').text();
  if (base64 !== undefined && !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    body.at('bytes').fail('must be base64');
  return {
    status: field.at('status').required().integer(200, 599) ?? 200,
    text: body.at('string').text(),
    base64,
  };
}

function readMirrors(field: FieldReader): Mirror[] {
  const mirrors = field
    .at('mirrors')
    .items()
    .map((item): Mirror => {
      item.object(['destination', 'percentage']);
      const percentage = item.at('percentage').object(['value']);
      return {
        destination: readDestination(item.at('destination')),
        percent: percentage.present ? (percentage.at('value').number(0, 100) ?? 0) : 100,
      };
    });
  if (!field.at('mirror').present) return mirrors;
  const percentage = field.at('mirrorPercentage').object(['value']);
  const percent = percentage.present
    ? (percentage.at('value').number(0, 100) ?? 0)
    : (field.at('mirrorPercent').integer(0, 100) ?? 100);
  return [{ destination: readDestination(field.at('mirror')), percent }, ...mirrors];
}

export function readCors(field: FieldReader): CorsPolicy | undefined {
  if (!field.present) return undefined;
  field.object([
    'allowOrigins',
    'allowOrigin',
    'allowMethods',
    'allowHeaders',
    'exposeHeaders',
    'maxAge',
    'allowCredentials',
    'unmatchedPreflights',
  ]);
  const old = field
    .at('allowOrigin')
    .texts()
    .map((value): StringMatch =>
      value === '*' ? { kind: 'regex', value: '.*' } : { kind: 'exact', value },
    );
  const origins = field
    .at('allowOrigins')
    .items()
    .flatMap((item) => readStringMatch(item) ?? []);
  return {
    allowOrigins: origins.length > 0 ? origins : old,
    allowMethods: field.at('allowMethods').texts(),
    allowHeaders: field.at('allowHeaders').texts(),
    exposeHeaders: field.at('exposeHeaders').texts(),
    maxAgeMs: field.at('maxAge').durationMs(),
    allowCredentials: field.at('allowCredentials').flag(),
    forwardUnmatchedPreflights:
      field.at('unmatchedPreflights').choice(['UNSPECIFIED', 'FORWARD', 'IGNORE']) !== 'IGNORE',
  };
}

export function readHttpRoute(field: FieldReader): HttpRoute {
  field
    .unsupported(['delegate'])
    .object([
      'name',
      'match',
      'route',
      'redirect',
      'directResponse',
      'rewrite',
      'timeout',
      'retries',
      'fault',
      'mirror',
      'mirrors',
      'mirrorPercentage',
      'mirrorPercent',
      'corsPolicy',
      'headers',
      'delegate',
    ]);
  const actions = (['route', 'redirect', 'directResponse'] as const).filter(
    (name) => field.at(name).present,
  );
  if (actions.length !== 1) field.fail('must have exactly one of route, redirect, directResponse');
  if (field.at('route').present && field.at('route').items().length === 0)
    field.at('route').fail('must name a destination');
  return {
    name: field.at('name').text() ?? '',
    matches: field.at('match').items().map(readMatch),
    route: readDestinations(field.at('route')),
    redirect: readRedirect(field.at('redirect')),
    directResponse: readDirectResponse(field.at('directResponse')),
    rewrite: readRewrite(field.at('rewrite')),
    timeoutMs: field.at('timeout').durationMs(),
    retries: readRetries(field.at('retries')),
    fault: readFault(field.at('fault')),
    mirrors: readMirrors(field),
    cors: readCors(field.at('corsPolicy')),
    headers: readHeaders(field.at('headers')),
    configPath: undefined,
  };
}
