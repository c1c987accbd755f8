// [m] What the injector moved from the pod into variables: app probes and the app's own Prometheus target. Istio: pilot/cmd/pilot-agent/status.
import { isObject } from './proxy-config.ts';
import type { JsonObject } from './proxy-config.ts';

export type ProbeAction =
  | {
      readonly kind: 'http';
      readonly scheme: 'http' | 'https';
      readonly port: number;
      readonly path: string;
    }
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string };

export interface AppProber {
  readonly action: ProbeAction;
  readonly timeoutMs: number;
}

export interface ScrapeTarget {
  readonly port: number;
  readonly path: string;
}

const PROBER_PATH =
  /^\/(?:app-health\/[^/]{1,253}\/(?:livez|readyz|startupz)|app-lifecycle\/[^/]{1,253}\/(?:poststartz|prestopz))$/;
/** A request target: printable ASCII without blanks, so that it cannot end its line. */
const REQUEST_PATH = /^\/[\x21-\x7e]{0,8191}$/;
const NOT_IN_PATH = /[^\x21-\x7e]/gu;
const MAX_TARGETS = 32;
const DEFAULT_TIMEOUT_MS = 1000;
/** Kubernetes bounds a hook by the pod's grace period, which we do not know; a probe always has its own time. */
const HOOK_TIMEOUT_MS = 86_400_000;

function parseObject(variable: string, text: string, problems: string[]): JsonObject | undefined {
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // told below
  }
  problems.push(`${variable}: must be a JSON object, as the injector writes it`);
  return undefined;
}

/** Kubernetes' IntOrString: a named port cannot be resolved in here, and the injector never leaves one. */
function portOf(value: unknown): number | undefined {
  const port = typeof value === 'string' && /^[0-9]{1,5}$/.test(value) ? Number(value) : value;
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535
    ? port
    : undefined;
}

function parseHttpAction(action: JsonObject): ProbeAction | string {
  const port = portOf(action['port']);
  if (port === undefined) return 'httpGet.port: must be a port from 1 to 65535';
  const scheme = action['scheme'] ?? 'HTTP';
  if (scheme !== 'HTTP' && scheme !== 'HTTPS') return 'httpGet.scheme: must be HTTP or HTTPS';
  const path = pathOf(action['path'] ?? '/');
  if (path === undefined) return 'httpGet.path: must be a path';
  return { kind: 'http', scheme: scheme === 'HTTP' ? 'http' : 'https', port, path };
}

/** As it can be sent: what a request line cannot hold is escaped, and a fragment stays here. */
function pathOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const [text] = value.split('#', 1);
  const path = text!.toWellFormed().replace(NOT_IN_PATH, (char) => encodeURIComponent(char));
  const rooted = path.startsWith('/') ? path : `/${path}`;
  return REQUEST_PATH.test(rooted) ? rooted : undefined;
}

function parseAction(prober: JsonObject): ProbeAction | string {
  const { httpGet, tcpSocket, grpc } = prober;
  const given = [httpGet, tcpSocket, grpc].filter(
    (action) => action !== undefined && action !== null,
  );
  if (given.length !== 1) return 'must have exactly one of httpGet, tcpSocket and grpc';
  if (isObject(httpGet)) return parseHttpAction(httpGet);
  const action = isObject(tcpSocket) ? tcpSocket : isObject(grpc) ? grpc : undefined;
  const port = portOf(action?.['port']);
  if (action === undefined || port === undefined) return 'port: must be a port from 1 to 65535';
  if (action === tcpSocket) return { kind: 'tcp', port };
  const service = action['service'];
  return { kind: 'grpc', port, service: typeof service === 'string' ? service : '' };
}

function timeoutMsOf(path: string, prober: JsonObject): number {
  const seconds = prober['timeoutSeconds'];
  if (typeof seconds === 'number' && seconds > 0 && seconds <= 3600) return seconds * 1000;
  return path.startsWith('/app-lifecycle/') ? HOOK_TIMEOUT_MS : DEFAULT_TIMEOUT_MS;
}

/** ISTIO_KUBE_APP_PROBERS: rewritten path to probe. */
export function parseAppProbers(text: string, problems: string[]): ReadonlyMap<string, AppProber> {
  const probers = new Map<string, AppProber>();
  const variable = 'ISTIO_KUBE_APP_PROBERS';
  for (const [path, prober] of Object.entries(parseObject(variable, text, problems) ?? {})) {
    if (!PROBER_PATH.test(path)) {
      problems.push(`${variable}: "${path}" must look like /app-health/<container>/readyz`);
      continue;
    }
    const action = isObject(prober) ? parseAction(prober) : 'must be an object';
    if (typeof action === 'string') problems.push(`${variable}["${path}"]: ${action}`);
    else probers.set(path, { action, timeoutMs: timeoutMsOf(path, prober as JsonObject) });
  }
  return probers;
}

/**
 * ISTIO_PROMETHEUS_ANNOTATIONS; empty: the app has nothing to scrape. What cannot be scraped is a warning: stock starts with it,
 * too. `statusPort` is ours: a scrape that comes back to us would never end.
 */
export function parseScrapeTargets(
  text: string,
  statusPort: number,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): readonly ScrapeTarget[] {
  const variable = 'ISTIO_PROMETHEUS_ANNOTATIONS';
  const annotations = parseObject(variable, text, problems);
  // As stock: what does not say `false` is to be scraped.
  if (annotations === undefined || annotations['scrape'] === 'false') return [];
  const several = annotations['targets'];
  const given: readonly unknown[] =
    Array.isArray(several) && several.length > 1 ? several.slice(0, MAX_TARGETS) : [annotations];
  const targets: ScrapeTarget[] = [];
  for (const target of given) {
    const fields = isObject(target) ? target : {};
    const [portText, pathText] = [fields['port'] ?? '', fields['path'] ?? ''];
    const port = portText === '' ? 80 : portOf(portText);
    const path = pathText === '' ? '/metrics' : pathOf(pathText);
    if (port === statusPort)
      problems.push(
        `${variable}: port ${port} is the agent's own; the pod's prometheus.io/port must be the app's, and the pod must not be injected twice`,
      );
    else if (port === undefined || path === undefined)
      warnings.push(
        `${variable}: ${JSON.stringify(target)} cannot be scraped: no such port or path`,
      );
    else targets.push({ port, path });
  }
  return targets;
}
