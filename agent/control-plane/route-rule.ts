// [m] RouteRule of config.istio.io/v1alpha2 (and its 2017 spellings) to the model of VirtualService.
import type { FieldReader } from './field-reader.ts';
import { readCors, readFault, readStringMatch, readValueMatches } from './http-route-reader.ts';
import { byText } from './json.ts';
import { matchesLabels, noHeaders, resolveHost } from './istio-model.ts';
import type {
  ConfigMeta,
  DestinationRule,
  HttpMatch,
  HttpRoute,
  LabelledDestination,
  RouteRule,
  Retries,
  StringMatch,
  Subset,
  ValueMatch,
  VirtualService,
} from './istio-model.ts';

/** In v1alpha2 these stood among the headers. */
const PSEUDO_HEADERS: readonly string[] = ['uri', 'scheme', 'method', 'authority'];

/** `destination: {name, namespace, domain, service}`, or the plain text of the first versions. */
function readHost(field: FieldReader, meta: ConfigMeta): string {
  if (field.isText) return resolveHost(field.text() ?? '', meta.namespace);
  field.object(['name', 'namespace', 'domain', 'service', 'labels']);
  const service = field.at('service').text();
  if (service !== undefined) return resolveHost(service, meta.namespace);
  const name = field.at('name').requiredText();
  const domain = field.at('domain').text();
  const namespace = field.at('namespace').text() ?? meta.namespace;
  return domain === undefined ? resolveHost(name, namespace) : `${name}.${namespace}.${domain}`;
}

/** Labels, called tags before 0.3. */
function readLabels(field: FieldReader): ReadonlyMap<string, string> {
  return field.at('labels').present ? field.at('labels').textMap() : field.at('tags').textMap();
}

function readDestinations(
  spec: FieldReader,
  meta: ConfigMeta,
  host: string,
): LabelledDestination[] {
  const items = spec.at('route').items();
  if (items.length === 0)
    return [{ host, labels: spec.at('destination').at('labels').textMap(), weight: 100 }];
  const destinations = items.map((item) => {
    item.object(['labels', 'tags', 'weight', 'destination']);
    return {
      host: item.at('destination').present ? readHost(item.at('destination'), meta) : host,
      labels: readLabels(item),
      weight: item.at('weight').integer(0, 100) ?? (items.length === 1 ? 100 : 0),
    };
  });
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  if (total !== 100) spec.at('route').fail(`must have weights whose sum is 100, not ${total}`);
  return destinations;
}

/** The caller was named by service; a sidecar knows itself by its labels, and a service's pods carry `app`. */
function sourceLabels(field: FieldReader, match: FieldReader): ReadonlyMap<string, string> {
  const labels = new Map(match.at('sourceTags').textMap());
  if (field.isText) return labels.set('app', (field.text() ?? '').split('.', 1)[0]!);
  field.object(['name', 'namespace', 'domain', 'service', 'labels']);
  for (const [name, value] of field.at('labels').textMap()) labels.set(name, value);
  const name = field.at('name').text() ?? field.at('service').text();
  if (name !== undefined) labels.set('app', name.split('.', 1)[0]!);
  return labels;
}

function asString(matches: ReadonlyMap<string, ValueMatch>, name: string): StringMatch | undefined {
  const match = matches.get(name);
  return match === undefined || match.kind === 'present' ? undefined : match;
}

function readMatch(field: FieldReader): HttpMatch[] {
  if (!field.present) return [];
  field
    .unsupported(['tcp', 'udp'])
    .object(['source', 'sourceTags', 'request', 'httpHeaders', 'uri', 'tcp', 'udp']);
  const request = field.at('request').object(['headers']);
  const given = readValueMatches(
    request.at('headers').present ? request.at('headers') : field.at('httpHeaders'),
  );
  const headers = new Map([...given].filter(([name]) => !PSEUDO_HEADERS.includes(name)));
  const labels = sourceLabels(field.at('source'), field);
  const namespace = field.at('source').at('namespace').text();
  return [
    {
      name: '',
      uri: readStringMatch(field.at('uri')) ?? asString(given, 'uri'),
      ignoreUriCase: false,
      scheme: asString(given, 'scheme'),
      method: asString(given, 'method'),
      authority: asString(given, 'authority'),
      headers,
      withoutHeaders: new Map(),
      queryParams: new Map(),
      port: undefined,
      sourceLabels: labels,
      sourceNamespace: namespace,
      gateways: [],
      statPrefix: undefined,
    },
  ];
}

function readRetries(field: FieldReader): Retries | undefined {
  if (!field.present) return undefined;
  const simple = field
    .object(['simpleRetry'])
    .at('simpleRetry')
    .required()
    .object(['attempts', 'perTryTimeout']);
  return {
    attempts: simple.at('attempts').required().integer(0, 0x7fffffff) ?? 0,
    perTryTimeoutMs: simple.at('perTryTimeout').durationMs(),
    retryOn: '',
    retryRemoteLocalities: false,
    ignorePreviousHosts: true,
    backoffMs: undefined,
  };
}

/** 0.x named the time limit `simpleTimeout`; its default was 15 s, which nobody relied on knowingly: none stays none. */
function readTimeout(field: FieldReader): number | undefined {
  return field
    .object(['simpleTimeout'])
    .at('simpleTimeout')
    .object(['timeout'])
    .at('timeout')
    .durationMs();
}

const FIELDS: readonly string[] = [
  'destination',
  'precedence',
  'match',
  'route',
  'httpFault',
  'httpReqTimeout',
  'httpReqRetries',
  'rewrite',
  'redirect',
  'appendHeaders',
  'corsPolicy',
  'websocketUpgrade',
  'mirror',
  'l4Fault',
];

export function readRouteRule(meta: ConfigMeta, spec: FieldReader): RouteRule {
  spec.unsupported(['mirror', 'l4Fault']).object(FIELDS);
  const host = readHost(spec.at('destination').required(), meta);
  const redirect = spec.at('redirect').object(['uri', 'authority']);
  const rewrite = spec.at('rewrite').object(['uri', 'authority']);
  if (redirect.present && spec.at('route').present) redirect.fail('cannot stand beside route');
  spec.at('websocketUpgrade').flag();
  const route: RouteRule['route'] = {
    name: meta.name,
    matches: readMatch(spec.at('match')),
    redirect: redirect.present
      ? {
          uri: redirect.at('uri').text(),
          authority: redirect.at('authority').text(),
          scheme: undefined,
          port: undefined,
          code: 301,
        }
      : undefined,
    directResponse: undefined,
    rewrite: rewrite.present
      ? {
          uri: rewrite.at('uri').text(),
          authority: rewrite.at('authority').text(),
          uriRegex: undefined,
        }
      : undefined,
    timeoutMs: readTimeout(spec.at('httpReqTimeout')),
    retries: readRetries(spec.at('httpReqRetries')),
    fault: readFault(spec.at('httpFault')),
    cors: readCors(spec.at('corsPolicy')),
    headers: {
      ...noHeaders,
      request: { ...noHeaders.request, add: spec.at('appendHeaders').textMap() },
    },
    configPath: `/apis/config.istio.io/v1alpha2/namespaces/${meta.namespace}/route-rule/${meta.name}`,
  };
  const destinations = redirect.present ? [] : readDestinations(spec, meta, host);
  return {
    meta,
    host,
    precedence: spec.at('precedence').integer(-0x7fffffff, 0x7fffffff) ?? 0,
    route,
    destinations,
  };
}

/** Subsets that RouteRules select by labels and no DestinationRule names; by host, then by name. */
export type ImplicitSubsets = Map<string, Map<string, Subset>>;

const sameLabels = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && matchesLabels(a, b);

function subsetFor(
  to: LabelledDestination,
  rule: DestinationRule | undefined,
  implicit: ImplicitSubsets,
): string {
  if (to.labels.size === 0) return '';
  const named = rule?.subsets.find((subset) => sameLabels(subset.labels, to.labels));
  if (named !== undefined) return named.name;
  // The form that cluster names of Istio 0.x had: version=v1.
  const name = [...to.labels]
    .sort(([a], [b]) => byText(a, b))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const ofHost = implicit.get(to.host) ?? new Map<string, Subset>();
  ofHost.set(name, { name, labels: to.labels, policy: undefined });
  implicit.set(to.host, ofHost);
  return name;
}

function defaultRoute(host: string): HttpRoute {
  return {
    name: 'default',
    matches: [],
    redirect: undefined,
    directResponse: undefined,
    rewrite: undefined,
    timeoutMs: undefined,
    retries: undefined,
    fault: undefined,
    cors: undefined,
    headers: noHeaders,
    mirrors: [],
    configPath: undefined,
    route: [{ destination: { host, subset: '', port: undefined }, weight: 0, headers: noHeaders }],
  };
}

/**
 * The rules of one host in the order in which they are tried (higher precedence first, then by name), and after them
 * the service itself, as 0.x had it.
 */
export function virtualServiceOf(
  rules: readonly RouteRule[],
  ruleOf: (host: string) => DestinationRule | undefined,
  implicit: ImplicitSubsets,
): VirtualService {
  const ordered = rules.toSorted(
    (a, b) => b.precedence - a.precedence || byText(a.meta.name, b.meta.name),
  );
  const first = ordered[0]!;
  const http = ordered.map((rule): HttpRoute => ({
    ...rule.route,
    mirrors: [],
    route: rule.destinations.map((to) => ({
      destination: {
        host: to.host,
        subset: subsetFor(to, ruleOf(to.host), implicit),
        port: undefined,
      },
      weight: to.weight,
      headers: noHeaders,
    })),
  }));
  const name = first.host.split('.', 1)[0]!;
  return {
    meta: { ...first.meta, name },
    hosts: [first.host],
    gateways: ['mesh'],
    exportTo: [],
    http: [...http, defaultRoute(first.host)],
  };
}
