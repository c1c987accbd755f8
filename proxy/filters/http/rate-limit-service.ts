// [w] envoy.filters.http.ratelimit: asks a rate limit service, over gRPC, whether a request is one too many
// (envoy-behaviour §10.7). Routes that limit nothing ask nothing.
import type {
  RateLimitServiceConfig,
  RateLimitServicePerRouteConfig,
} from '../../config/rate-limit-service-config.ts';
import { H, wireHeaderName } from '../../http/headers.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { GrpcCall, GrpcCallOwner } from '../../router/grpc-call.ts';
import { filterDescriptors, routeDescriptors } from '../../router/rate-limit-descriptors.ts';
import type { RateLimitDescriptor } from '../../router/rate-limit-policy.ts';
import { wireText } from '../../router/wire-text.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { RATE_LIMIT_PATH, rateLimitAnswer, rateLimitRequest } from './rate-limit-messages.ts';
import type { HeaderText, RateLimitAnswer } from './rate-limit-messages.ts';
import { rateLimitHeaders } from './rate-limit-headers.ts';
import { RateLimitServiceSettings } from './rate-limit-service-settings.ts';
import type { RateLimitRules } from './rate-limit-service-settings.ts';

const RESOURCE_EXHAUSTED = 8;
const NO_LINES: readonly HeaderText[] = [];

const State = { Asking: 0, Passed: 1, Over: 2 } as const;
type State = (typeof State)[keyof typeof State];

class RateLimitServiceFilter extends PassThroughFilter implements GrpcCallOwner {
  readonly #settings: RateLimitServiceSettings;
  readonly #callbacks: FilterCallbacks;
  readonly #rules: RateLimitRules;
  readonly #cluster: ThreadLocalCluster;
  #state: State = State.Passed;
  #call: GrpcCall | null = null;
  /** The answer came while it was asked for: the caller goes on by itself. */
  #synchronous = false;
  /** Of the response, until they are written. */
  #lines: readonly HeaderText[] = NO_LINES;

  constructor(
    settings: RateLimitServiceSettings,
    callbacks: FilterCallbacks,
    rules: RateLimitRules,
    cluster: ThreadLocalCluster,
  ) {
    super();
    this.#settings = settings;
    this.#callbacks = callbacks;
    this.#rules = rules;
    this.#cluster = cluster;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    if (!this.#settings.enabled) return FilterStatus.Continue;
    const { requestType } = this.#settings.config;
    const internal = headers.get(H.xEnvoyInternal) === 'true';
    if (requestType === (internal ? 'external' : 'internal')) return FilterStatus.Continue;
    const descriptors = this.#descriptors();
    if (descriptors.length === 0) return FilterStatus.Continue;
    this.#state = State.Asking;
    this.#synchronous = true;
    const message = rateLimitRequest(this.#rules.domain, descriptors);
    const parent = { headers, info: this.#callbacks.streamInfo };
    const call = this.#settings.client.call(RATE_LIMIT_PATH, message, parent, this);
    this.#synchronous = false;
    if (this.#asking) this.#call = call;
    return this.#passed ? FilterStatus.Continue : FilterStatus.StopIteration;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    this.#writeLines(headers);
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    this.#state = State.Over;
    this.#call?.cancel();
    this.#call = null;
  }

  get #asking(): boolean {
    return this.#state === State.Asking;
  }

  get #passed(): boolean {
    return this.#state === State.Passed;
  }

  #descriptors(): readonly RateLimitDescriptor[] {
    const { config, serviceCluster, takesDisableKey } = this.#settings;
    const { virtualHost, policy } = this.#rules;
    const scope = { stage: config.stage, takesDisableKey, virtualHost, serviceCluster };
    return policy === null
      ? routeDescriptors(this.#callbacks, scope)
      : filterDescriptors(policy, this.#callbacks, scope);
  }

  // === GrpcCallOwner

  onGrpcMessage(message: Buffer): void {
    if (this.#state !== State.Asking) return;
    const answer = rateLimitAnswer(message);
    if (answer === null) this.#onError();
    else this.#onAnswer(answer);
  }

  onGrpcFailure(): void {
    if (this.#state === State.Asking) this.#onError();
  }

  #onAnswer(answer: RateLimitAnswer): void {
    const { config } = this.#settings;
    this.#call = null;
    if (answer.metadata !== undefined && answer.metadata.size > 0)
      this.#callbacks.streamInfo
        .metadataForWriting()
        .merge(wireText(config.metadataNamespace), answer.metadata);
    this.#settings.count(answer.overLimit ? 'over_limit' : 'ok', this.#cluster);
    const lines = [...answer.responseHeaders];
    if (answer.overLimit) {
      const { all, internal } = this.#cluster.stats;
      all.charge(config.status);
      internal.charge(config.status);
      if (config.rateLimitedHeader) lines.push([H.xEnvoyRateLimited.text, 'true']);
    }
    if (config.rateLimitHeaders) lines.push(...rateLimitHeaders(answer.statuses));
    this.#lines = lines;
    if (answer.overLimit && this.#settings.enforced) this.#refuse(answer);
    else this.#pass(answer.requestHeaders);
  }

  #refuse({ body }: RateLimitAnswer): void {
    const { config, formats } = this.#settings;
    const { requestHeaders, streamInfo } = this.#callbacks;
    this.#state = State.Over;
    this.#callbacks.sendLocalReply({
      status: config.status,
      body: body.toString('utf8'),
      bodyBytes: body,
      details: 'request_rate_limited',
      flag: ResponseFlag.RateLimited,
      grpcStatus: config.resourceExhausted ? RESOURCE_EXHAUSTED : undefined,
      modifyHeaders: (to) => {
        // The service speaks of its own body.
        if (this.#lines.some(([name]) => name === H.contentType.text)) to.remove(H.contentType);
        this.#writeLines(to);
        formats.response.mutateResponse(to, requestHeaders, streamInfo);
      },
    });
  }

  #onError(): void {
    const { config } = this.#settings;
    this.#call = null;
    this.#settings.count('error', this.#cluster);
    if (!this.#settings.deniesOnFailure) {
      this.#settings.count('failure_mode_allowed', this.#cluster);
      this.#pass(NO_LINES);
      return;
    }
    this.#state = State.Over;
    this.#callbacks.sendLocalReply({
      status: config.statusOnError,
      body: '',
      details: 'rate_limiter_error',
      flag: ResponseFlag.RateLimitServiceError,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }

  #pass(requestLines: readonly HeaderText[]): void {
    addLines(this.#callbacks.requestHeaders, requestLines);
    this.#state = State.Passed;
    if (!this.#synchronous) this.#callbacks.continueDecoding();
  }

  #writeLines(headers: ResponseHeaders): void {
    const lines = this.#lines;
    this.#lines = NO_LINES;
    addLines(headers, lines);
  }
}

function addLines(headers: HeaderMap, lines: readonly HeaderText[]): void {
  for (const [name, value] of lines) headers.append(wireHeaderName(name), value);
}

export class RateLimitServiceFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #settings: RateLimitServiceSettings;
  readonly #perRoute: CompiledSettings<RateLimitServicePerRouteConfig, RateLimitRules>;

  constructor(name: string, config: RateLimitServiceConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#settings = new RateLimitServiceSettings(config, context);
    this.#perRoute = new CompiledSettings((perRoute) => this.#settings.rulesOf(perRoute));
  }

  /** A request without a cluster of its own has nobody to be counted for. */
  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    const cluster = this.#settings.clusterOf(route?.clusterName ?? '');
    if (route === null || cluster === undefined) return null;
    const perRoute = route.filterSettings(this.name, requestHeaders, streamInfo);
    const rules =
      perRoute?.kind === 'rate_limit_service_per_route'
        ? this.#perRoute.of(perRoute)
        : this.#settings.rules;
    return new RateLimitServiceFilter(this.#settings, callbacks, rules, cluster);
  }
}
