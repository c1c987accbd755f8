// [m] RDS: one route configuration per HTTP port, or per service on a port that declares nothing. Istio: core/httproute.go.
import type { HttpMatch, HttpRoute, Service, ServicePort, VirtualService } from './istio-model.ts';
import { noHeaders } from './istio-model.ts';
import { byText, nameOf } from './json.ts';
import type { JsonObject } from './json.ts';
import { isHttp, PASSTHROUGH_CLUSTER } from './names.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import {
  clusterOf,
  headerFields,
  perFilterConfig,
  redirectFields,
  routeActionFields,
  routeHeaders,
} from './route-action-builder.ts';
import type { RouteContext } from './route-action-builder.ts';
import { buildRouteMatch, isCatchAll, matchesFor, pathText } from './route-match-builder.ts';

function actionFields(
  route: HttpRoute,
  match: HttpMatch | undefined,
  context: RouteContext,
): JsonObject {
  if (route.redirect !== undefined) return { redirect: redirectFields(route.redirect) };
  if (route.directResponse !== undefined) {
    const { status, text, base64 } = route.directResponse;
    const body =
      text !== undefined
        ? { inline_string: text }
        : base64 !== undefined
          ? { inline_bytes: base64 }
          : undefined;
    return { direct_response: { status, body } };
  }
  return { route: routeActionFields(route, match, context) };
}

/** A route to one place is named by that place, every other by its VirtualService. */
function operation(
  route: HttpRoute,
  owner: string,
  match: HttpMatch | undefined,
  context: RouteContext,
): string {
  const [only] = route.route;
  const path = pathText(match);
  if (route.route.length !== 1 || only === undefined) return `${owner}:${context.port}${path}`;
  const { host, port } = clusterOf(only.destination, context);
  return `${host}:${port}${path}`;
}

function buildRoute(
  route: HttpRoute,
  owner: string,
  match: HttpMatch | undefined,
  context: RouteContext,
): JsonObject {
  const name =
    match === undefined || match.name === '' ? route.name : `${route.name}.${match.name}`;
  const { configPath } = route;
  return {
    name: name === '' ? undefined : name,
    match: buildRouteMatch(match),
    ...actionFields(route, match, context),
    metadata:
      configPath === undefined ? undefined : { filter_metadata: { istio: { config: configPath } } },
    decorator: { operation: operation(route, owner, match, context) },
    typed_per_filter_config: perFilterConfig(route),
    ...headerFields(routeHeaders(route)),
  };
}

function routesOf(virtualService: VirtualService, context: RouteContext): JsonObject[] {
  const routes: JsonObject[] = [];
  for (const route of virtualService.http) {
    for (const match of matchesFor(route, context.view, context.port)) {
      routes.push(buildRoute(route, virtualService.meta.name, match, context));
      if (isCatchAll(match)) return routes;
    }
  }
  return routes;
}

const plainRoute = (service: Service, port: number): HttpRoute => ({
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
  route: [{ destination: { host: service.host, subset: '', port }, weight: 0, headers: noHeaders }],
});

/** Short forms of a cluster-local name, as far as they mean this service in the caller's namespace; then the addresses. */
function domainsOf(service: Service, view: ProxyView): string[] {
  const domains = [service.host];
  const parts = service.host.split('.');
  const [name, namespace, svc] = parts;
  if (parts.length === 5 && svc === 'svc' && name !== undefined && namespace !== undefined) {
    if (namespace === view.node.namespace)
      domains.push(name, `${name}.${namespace}.svc`, `${name}.${namespace}`);
    else domains.push(`${name}.${namespace}`, `${name}.${namespace}.svc`);
  }
  for (const address of [
    service.addresses[0],
    view.node.loopback?.serviceAddresses.get(service.host),
  ]) {
    if (address !== undefined) domains.push(address.includes(':') ? `[${address}]` : address);
  }
  return domains;
}

interface VirtualHostTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly domains: readonly string[];
}

function virtualHost(
  { service, port, domains }: VirtualHostTarget,
  push: PushContext,
  view: ProxyView,
): JsonObject | undefined {
  const virtualService = push.virtualServiceOf(service, view.node.namespace);
  const namespace = virtualService?.meta.namespace ?? service.meta.namespace;
  const context: RouteContext = { push, view, namespace, port: port.number };
  const routes =
    virtualService === undefined
      ? [buildRoute(plainRoute(service, port.number), service.host, undefined, context)]
      : routesOf(virtualService, context);
  if (routes.length === 0) return undefined;
  return {
    name: `${service.host}:${port.number}`,
    domains,
    routes,
    include_request_attempt_count: true,
  };
}

function catchAll(allowAny: boolean): JsonObject {
  const name = allowAny ? 'allow_any' : 'block_all';
  const action = allowAny
    ? { route: { cluster: PASSTHROUGH_CLUSTER, timeout: '0s', max_grpc_timeout: '0s' } }
    : { direct_response: { status: 502 } };
  return {
    name,
    domains: ['*'],
    routes: [{ name, match: { prefix: '/' }, ...action }],
    include_request_attempt_count: true,
  };
}

function configuration(name: string, virtualHosts: readonly JsonObject[]): JsonObject {
  return {
    name,
    virtual_hosts: virtualHosts,
    validate_clusters: false,
    max_direct_response_body_size_bytes: 1048576,
    ignore_port_in_host_matching: true,
  };
}

/** A domain that two virtual hosts have would be refused: the first keeps it. */
function withOwnDomains(domains: readonly string[], taken: Set<string>): string[] {
  const own = domains.filter((domain) => !taken.has(domain.toLowerCase()));
  for (const domain of own) taken.add(domain.toLowerCase());
  return own;
}

function portConfiguration(
  push: PushContext,
  view: ProxyView,
  number: number,
): JsonObject | undefined {
  const virtualHosts: JsonObject[] = [];
  const taken = new Set<string>();
  let known = false;
  for (const service of view.services) {
    const port = service.ports.find(
      (each) => each.number === number && (isHttp(each.protocol) || each.protocol === 'AUTO'),
    );
    if (port === undefined) continue;
    known = true;
    const domains = withOwnDomains(domainsOf(service, view), taken);
    const host =
      domains.length === 0 ? undefined : virtualHost({ service, port, domains }, push, view);
    if (host !== undefined) virtualHosts.push(host);
  }
  if (!known) return undefined;
  virtualHosts.sort((a, b) => byText(nameOf(a), nameOf(b)));
  return configuration(String(number), [...virtualHosts, catchAll(view.allowAny)]);
}

/** An unknown name gets a configuration without virtual hosts: the sidecar answers 404. */
export function buildRouteConfiguration(
  push: PushContext,
  view: ProxyView,
  name: string,
): JsonObject {
  if (/^[1-9][0-9]{0,4}$/.test(name))
    return portConfiguration(push, view, Number(name)) ?? { name };
  const colon = name.lastIndexOf(':');
  const service = view.services.find(({ host }) => host === name.slice(0, colon));
  const port = service?.ports.find(({ number }) => String(number) === name.slice(colon + 1));
  if (service === undefined || port === undefined) return { name };
  const host = virtualHost({ service, port, domains: ['*'] }, push, view);
  return configuration(name, host === undefined ? [] : [host]);
}
