// A finished stream as access logs get it, built by hand: one GET that answered 200 after 12 ms.
import { RequestHeaders, ResponseHeaders } from '../../proxy/http/header-map.ts';
import { headerName } from '../../proxy/http/headers.ts';
import { StreamInfo } from '../../proxy/stream-info/stream-info.ts';
import { NO_METADATA } from '../../proxy/stream-info/upstream-facts.ts';
import type {
  ClusterFacts,
  HostFacts,
  RouteFacts,
  UpstreamConnectionFacts,
} from '../../proxy/stream-info/upstream-facts.ts';
import type { AccessLogEntry } from '../../proxy/http/conn-manager-context.ts';

/** 2024-01-31T12:34:56.789Z */
export const START_MS = Date.UTC(2024, 0, 31, 12, 34, 56, 789);

export const sampleRoute = (name: string): RouteFacts => ({
  name,
  virtualHostName: 'reviews',
  metadata: NO_METADATA,
  virtualHostMetadata: NO_METADATA,
});

export const sampleCluster = (name: string): ClusterFacts => ({ name, metadata: NO_METADATA });

export const sampleHost = (addressText: string): HostFacts => ({
  addressText,
  hostname: '',
  metadata: NO_METADATA,
});

export const sampleConnection = (host: HostFacts): UpstreamConnectionFacts => ({
  host,
  id: 8,
  localAddress: '10.1.0.5:51000',
  connectStartMs: 1001.75,
  connectEndMs: 1002.25,
  protocol: 'HTTP/1.1',
  tls: null,
  requestCount: 1,
  kept: false,
  stale: false,
});

export function sampleInfo(): StreamInfo {
  const connection = {
    connectionId: 7,
    directRemoteAddress: '10.1.0.9:40000',
    directRemoteIp: '10.1.0.9',
    localAddress: '10.1.0.5:9080',
    localIp: '10.1.0.5',
    localPort: 9080,
    localAddressRestored: true,
    requestedServerName: '',
    tls: false,
  };
  const info = new StreamInfo(connection, START_MS, 1000.25, 42);
  info.protocol = 'HTTP/1.1';
  info.requestCompleteMs = 1001.5;
  info.upstreamFirstByteSentMs = 1003;
  info.upstreamLastByteSentMs = 1003.5;
  info.upstreamFirstByteReceivedMs = 1010.5;
  info.upstreamLastByteReceivedMs = 1011;
  info.downstreamFirstByteSentMs = 1011;
  info.endMs = 1012.75;
  info.responseEnded = true;
  info.responseCode = 200;
  info.responseCodeDetails = 'via_upstream';
  info.bytesReceived = 3;
  info.bytesSent = 5;
  info.route = sampleRoute('default');
  info.cluster = sampleCluster('outbound|9080||reviews.default.svc.cluster.local');
  info.host = sampleHost('10.1.0.7:9080');
  info.upstreamConnection = sampleConnection(info.host);
  info.attemptCount = 1;
  return info;
}

export function requestHeaders(lines: readonly (readonly [string, string])[] = []): RequestHeaders {
  const headers = new RequestHeaders();
  headers.method = 'GET';
  headers.path = '/reviews/1?full=yes';
  headers.authority = 'reviews:9080';
  headers.scheme = 'http';
  for (const [name, value] of lines) headers.push(headerName(name), value);
  return headers;
}

export function responseHeaders(
  lines: readonly (readonly [string, string])[] = [],
): ResponseHeaders {
  const headers = new ResponseHeaders();
  headers.status = 200;
  for (const [name, value] of lines) headers.push(headerName(name), value);
  return headers;
}

export function sampleEntry(changes: Partial<AccessLogEntry> = {}): AccessLogEntry {
  return {
    info: sampleInfo(),
    requestHeaders: requestHeaders([
      ['user-agent', 'curl/8.5.0'],
      ['x-request-id', 'f1e2d3c4-0000-4000-8000-000000000001'],
    ]),
    responseHeaders: responseHeaders([['x-envoy-upstream-service-time', '9']]),
    responseTrailers: undefined,
    type: 'DownstreamEnd',
    localReplyBody: '',
    ...changes,
  };
}
