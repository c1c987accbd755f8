// [w] Makes records of the gRPC access log service from finished streams (and from those that are not).
import { H, headerName } from '../http/headers.ts';
import { WireCounts } from '../stream-info/stream-meter.ts';
import { streamId } from './stream-fields.ts';
import { byteText } from '../base/byte-text.ts';
import { configValue, textOf } from './metadata-value.ts';
import { requestHeadersBytes, responseHeadersBytes } from '../http/header-bytes.ts';
import type { FormatEnvironment } from './format-environment.ts';
import type { GrpcLogConfig, LogTagConfig } from '../config/access-log-config.ts';
import type { HttpRecord, LogRecord, RecordedTimes, RequestRecord } from '../config/log-record.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import type { HeaderName } from '../http/headers.ts';
import type { MetadataStruct, MetadataValue } from '../stream-info/dynamic-metadata.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';

type Tag = (entry: AccessLogEntry) => string;

const NO_TEXTS: ReadonlyMap<string, string> = new Map();
const NO_METADATA: ReadonlyMap<string, MetadataStruct> = new Map();
const NO_COUNTS = new WireCounts();

export class LogRecorder {
  readonly #http: boolean;
  readonly #requestHeaders: readonly HeaderName[];
  readonly #responseHeaders: readonly HeaderName[];
  readonly #responseTrailers: readonly HeaderName[];
  readonly #filterState: readonly string[];
  readonly #tags: readonly (readonly [name: string, tag: Tag])[];

  constructor(config: GrpcLogConfig, environment: FormatEnvironment) {
    this.#http = config.entries === 'http';
    this.#requestHeaders = config.requestHeaders.map(headerName);
    this.#responseHeaders = config.responseHeaders.map(headerName);
    this.#responseTrailers = config.responseTrailers.map(headerName);
    this.#filterState = config.filterStateObjects;
    this.#tags = config.tags.map((tag) => [tag.tag, compileTag(tag, environment)]);
  }

  record(entry: AccessLogEntry): LogRecord {
    const { info } = entry;
    const down = info.meter?.downstream ?? NO_COUNTS;
    const up = info.meter?.upstream ?? NO_COUNTS;
    return {
      type: entry.type,
      downstreamRemote: info.remoteAddress,
      downstreamLocal: info.connection.localAddress,
      downstreamDirectRemote:
        info.connection.socketRemoteAddress ?? info.connection.directRemoteAddress,
      upstreamRemote: info.upstreamHost,
      upstreamLocal: info.upstreamLocalAddress,
      startWallMs: info.startWallMs,
      times: timesOf(info),
      wire: {
        downstreamSent: down.sent,
        downstreamReceived: down.received,
        upstreamSent: up.sent,
        upstreamReceived: up.received,
      },
      upstreamCluster: info.upstreamCluster,
      routeName: info.routeName,
      flags: info.flags === '-' ? '' : info.flags,
      attemptCount: info.attemptCount,
      streamId: streamId(entry) ?? '',
      upstreamTransportFailureReason: info.upstreamTransportFailureReason,
      connectionTerminationDetails: info.connectionTerminationDetails,
      metadata: info.dynamicMetadata?.namespaces ?? NO_METADATA,
      filterState: this.#filterStateOf(info),
      tags: this.#tagsOf(entry),
      receivedBytes: info.bytesReceived,
      sentBytes: info.bytesSent,
      http: this.#http ? this.#httpOf(entry) : undefined,
    };
  }

  #httpOf(entry: AccessLogEntry): HttpRecord {
    const { info, requestHeaders, responseHeaders, responseTrailers } = entry;
    return {
      protocol: info.protocol,
      request: requestHeaders && this.#requestOf(entry, requestHeaders),
      responseCode: info.responseCode,
      responseCodeDetails: info.responseCodeDetails,
      responseHeadersBytes: responseHeadersBytes(responseHeaders),
      responseHeaders: chosen(responseHeaders, this.#responseHeaders),
      responseTrailers: chosen(responseTrailers, this.#responseTrailers),
      downstreamHeaderBytesSent: info.meter?.downstream.headerSent ?? 0,
      upstreamHeaderBytesReceived: info.meter?.upstream.headerReceived ?? 0,
    };
  }

  #requestOf(entry: AccessLogEntry, headers: RequestHeaders): RequestRecord {
    const { meter } = entry.info;
    return {
      method: headers.method,
      scheme: headers.scheme,
      authority: headers.authority ?? '',
      path: headers.path,
      userAgent: headers.get(H.userAgent) ?? '',
      referer: headers.get(H.referer) ?? '',
      forwardedFor: headers.get(H.xForwardedFor) ?? '',
      requestId: headers.get(H.xRequestId) ?? '',
      originalPath: headers.get(H.xEnvoyOriginalPath) ?? '',
      headersBytes: requestHeadersBytes(headers),
      headers: chosen(headers, this.#requestHeaders),
      downstreamHeaderBytesReceived: meter?.downstream.headerReceived ?? 0,
      upstreamHeaderBytesSent: meter?.upstream.headerSent ?? 0,
    };
  }

  #filterStateOf({ filterState }: StreamInfo): ReadonlyMap<string, string> {
    if (filterState === null || this.#filterState.length === 0) return NO_TEXTS;
    const texts = new Map<string, string>();
    for (const key of this.#filterState) {
      const text = filterState.get(key)?.text;
      if (text !== undefined && text !== null) texts.set(key, text);
    }
    return texts;
  }

  #tagsOf(entry: AccessLogEntry): ReadonlyMap<string, string> {
    if (this.#tags.length === 0) return NO_TEXTS;
    const tags = new Map<string, string>();
    for (const [name, tag] of this.#tags) {
      const value = tag(entry);
      if (value !== '') tags.set(name, value);
    }
    return tags;
  }
}

function timesOf(info: StreamInfo): RecordedTimes {
  const { startMs } = info;
  return {
    lastReceived: info.requestCompleteMs - startMs,
    firstUpstreamSent: info.upstreamFirstByteSentMs - startMs,
    lastUpstreamSent: info.upstreamLastByteSentMs - startMs,
    firstUpstreamReceived: info.upstreamFirstByteReceivedMs - startMs,
    lastUpstreamReceived: info.upstreamLastByteReceivedMs - startMs,
    firstSent: info.downstreamFirstByteSentMs - startMs,
    lastSent: info.responseEnded ? info.endMs - startMs : NaN,
    duration: info.endMs - startMs,
  };
}

/** Several lines of one name are joined. */
function chosen(
  headers: HeaderMap | undefined,
  names: readonly HeaderName[],
): ReadonlyMap<string, string> {
  if (headers === undefined || names.length === 0) return NO_TEXTS;
  const found = new Map<string, string>();
  for (const name of names)
    if (headers.has(name)) found.set(name.text, headers.getAll(name).join(','));
  return found;
}

const CONFIGURED: Readonly<
  Record<'route' | 'cluster' | 'host', (info: StreamInfo) => ConfigMetadata | undefined>
> = {
  route: ({ route }) => route?.metadata,
  cluster: ({ cluster }) => cluster?.metadata,
  host: ({ host }) => host?.metadata,
};

function compileTag({ source, fallback }: LogTagConfig, environment: FormatEnvironment): Tag {
  const otherwise = byteText(fallback);
  switch (source.kind) {
    case 'literal': {
      const value = byteText(source.value);
      return () => value;
    }
    case 'environment': {
      const value = byteText(environment.variables.get(source.name) ?? fallback);
      return () => value;
    }
    case 'request_header': {
      const name = headerName(source.name);
      return ({ requestHeaders }) => requestHeaders?.getAny(name) ?? otherwise;
    }
    case 'metadata': {
      const [namespace = '', ...keys] = source.path.map(byteText);
      const read = (info: StreamInfo): MetadataValue | undefined => {
        if (source.of === 'request') return info.dynamicMetadata?.value(namespace, keys);
        const metadata = CONFIGURED[source.of](info);
        return metadata && configValue(metadata, [namespace, ...keys]);
      };
      return ({ info }) => {
        const value = read(info);
        return value === undefined || value === null ? otherwise : textOf(value);
      };
    }
  }
}
