// [w] HttpCall: a request of a filter's own to a cluster, with a whole answer (Envoy's AsyncClient). A router filter
// sends it: time-outs, retries, breakers and statistics are those of any request.
import { KeptBytes } from '../base/kept-bytes.ts';
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import { ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { FilterCallbacks, LocalReply } from '../http/http-filter.ts';
import { StreamInfo } from '../stream-info/stream-info.ts';
import type { RetryPolicyConfig, RouteConfig } from '../config/route-config.ts';
import type { RouteEntry } from './route-entry.ts';
import { CompiledRouteTable } from './route-table.ts';
import type { RouterContext } from './router-context.ts';
import { RouterFilter } from './router-filter.ts';

/** A longer answer is none. */
const MAX_BODY_BYTES = 1_048_576;

/** Where calls go. */
export interface HttpCallTarget {
  readonly cluster: string;
  /** Retries included; 0: none. */
  readonly timeoutMs: number;
  readonly retryPolicy: RetryPolicyConfig | undefined;
}

/** Exactly one of them is called, possibly before send() returns, unless the call is cancelled. */
export interface HttpCallOwner {
  /** Also where the proxy itself answered: 503, 504. */
  onHttpResponse(headers: ResponseHeaders, body: Buffer, trailers: HeaderMap | null): void;
  /** The answer broke off, or was too large. */
  onHttpFailure(): void;
}

export interface HttpRequestMessage {
  readonly headers: RequestHeaders;
  /** Empty: none. Its length is in the headers already. */
  readonly body: Buffer;
  /** The stream on whose behalf it is sent. */
  readonly parent: StreamInfo;
}

export class HttpCallClient {
  readonly #context: RouterContext;
  readonly #route: RouteEntry;

  constructor(context: RouterContext, target: HttpCallTarget) {
    this.#context = context;
    this.#route = new CompiledRouteTable(tableTo(target)).virtualHosts[0]!.routes[0]!;
  }

  send(message: HttpRequestMessage, owner: HttpCallOwner): HttpCall {
    const { time, random } = this.#context;
    message.headers.set(H.xEnvoyInternal, 'true');
    const info = new StreamInfo(
      message.parent.connection,
      time.wallMs(),
      time.monotonicMs(),
      random.nextUint32(),
    );
    const call = new HttpCall({ headers: message.headers, info, route: this.#route, owner });
    call.start(this.#context, message.body);
    return call;
  }
}

interface CallParts {
  readonly headers: RequestHeaders;
  readonly info: StreamInfo;
  readonly route: RouteEntry;
  readonly owner: HttpCallOwner;
}

/** The stream that the router filter believes to serve. */
export class HttpCall implements FilterCallbacks {
  readonly streamInfo: StreamInfo;
  readonly requestHeaders: RequestHeaders;
  readonly route: RouteEntry;
  readonly requestComplete = true;
  readonly upgradeRequested = false;
  readonly bufferLimitBytes = MAX_BODY_BYTES;
  responseStarted = false;
  readonly #owner: HttpCallOwner;
  #router: RouterFilter | null = null;
  #response: ResponseHeaders | null = null;
  #body = new KeptBytes();
  #over = false;

  constructor({ headers, info, route, owner }: CallParts) {
    this.requestHeaders = headers;
    this.streamInfo = info;
    this.route = route;
    this.#owner = owner;
  }

  start(context: RouterContext, body: Buffer): void {
    const router = new RouterFilter(context, this);
    this.#router = router;
    this.streamInfo.requestCompleteMs = context.time.monotonicMs();
    const bare = body.length === 0;
    router.decodeHeaders(this.requestHeaders, bare);
    if (!bare && !this.#over) router.decodeData(body, true);
  }

  /** The owner hears nothing any more. */
  cancel(): void {
    if (!this.#over) this.#end();
  }

  // === FilterCallbacks, as far as the last filter of a chain uses them

  sendLocalReply(reply: LocalReply): void {
    if (this.#over) return;
    if (this.responseStarted) {
      this.#fail();
      return;
    }
    const headers = new ResponseHeaders();
    headers.status = reply.status;
    reply.modifyHeaders?.(headers);
    this.#succeed(headers, Buffer.from(reply.bodyBytes ?? reply.body), null);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#over) return;
    this.responseStarted = true;
    this.#response = headers;
    if (endStream) this.#complete(null);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (this.#body.byteCount + chunk.length > MAX_BODY_BYTES) {
      this.#fail();
      return;
    }
    this.#body.add(chunk);
    if (endStream) this.#complete(null);
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (!this.#over) this.#complete(trailers);
  }

  resetStream(): void {
    if (!this.#over) this.#fail();
  }

  recreateStream(): boolean {
    return false;
  }
  encode1xxHeaders(): void {}
  continueDecoding(): void {}
  continueEncoding(): void {}
  heldRequestBody(): readonly Buffer[] {
    return [];
  }
  injectDecodedData(): void {}
  injectEncodedData(): void {}
  responseReadDisable(): void {}
  setBufferLimit(): void {}
  clearRouteCache(): void {}
  requestReadDisable(): void {}
  setDownstreamWatermarkCallbacks(): void {}

  #complete(trailers: HeaderMap | null): void {
    this.#succeed(this.#response!, Buffer.concat(this.#body.chunks), trailers);
  }

  #succeed(headers: ResponseHeaders, body: Buffer, trailers: HeaderMap | null): void {
    this.#end();
    this.#owner.onHttpResponse(headers, body, trailers);
  }

  #fail(): void {
    this.#end();
    this.#owner.onHttpFailure();
  }

  #end(): void {
    this.#over = true;
    this.#body = new KeptBytes();
    const router = this.#router;
    this.#router = null;
    if (router !== null) router.onDestroy();
  }
}

/** A level that changes nothing. */
const LEVEL = {
  headers: { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] },
  perFilter: [],
};
const MATCH_ALL = {
  path: { kind: 'prefix', value: '/' },
  caseSensitive: true,
  headers: [],
  query: [],
  grpcOnly: false,
  fraction: undefined,
  tlsPresented: undefined,
  tlsValidated: undefined,
} as const;

/** Every request goes to the one cluster. */
function tableTo({ cluster, timeoutMs, retryPolicy }: HttpCallTarget): RouteConfig {
  const action = {
    kind: 'route',
    cluster: { kind: 'cluster', name: cluster },
    clusterNotFoundStatus: 503,
    timeoutMs,
    idleTimeoutMs: undefined,
    maxStreamDuration: undefined,
    retryPolicy,
    prefixRewrite: undefined,
    regexRewrite: undefined,
    pathRewriteTemplate: undefined,
    hostRewriteLiteral: undefined,
    hostRewriteHeader: undefined,
    hostRewritePathRegex: undefined,
    autoHostRewrite: false,
    appendXForwardedHost: false,
    priority: 'DEFAULT',
    hashPolicy: [],
    mirrors: [],
    upgrades: [],
  } as const;
  const route = {
    ...LEVEL,
    name: '',
    match: MATCH_ALL,
    action,
    decoratorOperation: '',
    decoratorPropagate: false,
    metadata: new Map<string, string>(),
  };
  const host = {
    ...LEVEL,
    name: 'call',
    domains: ['*'],
    routes: [route],
    retryPolicy: undefined,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    requireTls: 'NONE',
  } as const;
  return {
    ...LEVEL,
    name: 'call',
    version: '',
    virtualHosts: [host],
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: false,
    validateClusters: false,
  };
}
