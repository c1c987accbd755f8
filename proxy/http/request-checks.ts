// [w] What the connection manager asks of a request before it looks for a route (envoy-behaviour §1.2; the numbers in
// comments are that list's), and whether it may be an upgrade (§1.11).
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { UpgradeConfig } from '../config/route-config.ts';
import type { ConnManagerContext } from './conn-manager-context.ts';
import { stripPort, stripTrailingDot } from './conn-manager-utility.ts';
import { H } from './headers.ts';
import type { RequestHeaders } from './header-map.ts';
import type { LocalReply } from './http-filter.ts';
import { isGrpcRequest } from './local-reply.ts';
import { normalizePath } from './path-normalizer.ts';
import type { Route } from './route-provider.ts';
import { normalizedPathRedirect, refusal } from './stream-replies.ts';

/** (7), (9), (11), (12): the path is normalized where it may be. Null: the request may go on. */
export function checkRequest(
  headers: RequestHeaders,
  context: ConnManagerContext,
): LocalReply | null {
  if (headers.authority === undefined) return refusal(400, 'missing_host_header');
  if (headers.method === 'QUERY' && !headers.has(H.contentType))
    return refusal(400, 'query_missing_content_type');
  if (headers.method === 'CONNECT') return null;
  if (headers.path === '') return refusal(404, 'missing_path_rejected');
  const { stats } = context;
  if (headers.path.charCodeAt(0) !== 0x2f) {
    stats.store.inc(stats.rqNonRelativePath);
    return refusal(404, 'absolute_path_rejected');
  }
  return checkPath(headers, context);
}

function checkPath(headers: RequestHeaders, context: ConnManagerContext): LocalReply | null {
  const normalized = normalizePath(headers.path, context.config);
  if (normalized === null) return null;
  headers.path = normalized.path;
  if (normalized.kind === 'ok') return null;
  const { stats } = context;
  if (normalized.kind === 'reject' || isGrpcRequest(headers)) {
    stats.store.inc(stats.rqFailedPathNormalization);
    return refusal(400, 'path_normalization_failed');
  }
  stats.store.inc(stats.rqRedirectedWithNormalizedPath);
  return normalizedPathRedirect(normalized.path);
}

/** (13) */
export function normalizeHost(
  headers: RequestHeaders,
  config: HttpConnectionManagerConfig,
  localPort: number,
): void {
  if (headers.authority === undefined) return;
  if (config.stripTrailingHostDot) headers.authority = stripTrailingDot(headers.authority);
  if (config.stripAnyHostPort) headers.authority = stripPort(headers.authority, null);
  else if (config.stripMatchingHostPort)
    headers.authority = stripPort(headers.authority, localPort);
}

/** Routes know better than the connection manager. */
export function upgradeAllowed(
  headers: RequestHeaders,
  route: Route | null,
  config: HttpConnectionManagerConfig,
): boolean {
  const wanted =
    headers.method === 'CONNECT' ? 'connect' : (headers.get(H.upgrade) ?? '').toLowerCase();
  const ofType = ({ type }: UpgradeConfig): boolean => type === wanted;
  return (route?.upgrades.find(ofType) ?? config.upgrades.find(ofType))?.enabled === true;
}

/** Whether the answer makes a tunnel of a request that asked for one. */
export function tunnelOpens(headers: RequestHeaders, status: number): boolean {
  return headers.method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
}

/** (5): the client waits to be told that its body is wanted, and the proxy tells it (envoy-behaviour §1.12). */
export function takeExpectation(
  headers: RequestHeaders,
  config: HttpConnectionManagerConfig,
): boolean {
  if (config.proxy100Continue) return false;
  if (headers.get(H.expect)!.toLowerCase() !== '100-continue') return false;
  headers.remove(H.expect);
  return true;
}
