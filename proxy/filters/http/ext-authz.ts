// [w] envoy.filters.http.ext_authz: asks a server whether a request may pass (envoy-behaviour §10.3). A security filter:
// whatever goes wrong refuses the request, unless `failure_mode_allow` says otherwise.
import type {
  AuthorizationBodyConfig,
  ExtAuthzConfig,
  ExtAuthzPerRouteConfig,
  AuthorizationServiceConfig,
} from '../../config/ext-authz-config.ts';
import type { RefusingFilterConfig } from '../../config/http-filter-config.ts';
import { headerName } from '../../http/headers.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { ThreadLocalCluster } from '../../upstream/thread-local-cluster.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import type {
  Allowance,
  AuthorizationCheck,
  AuthorizationClient,
  AuthorizationOwner,
  AuthorizationQuestion,
  AuthorizationVerdict,
  HeaderLine,
  MoreChanges,
} from './authorization-client.ts';
import { changeRequest, changeResponse, mayChangeRoute } from './authorization-changes.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { ExtAuthzSettings } from './ext-authz-settings.ts';
import { GrpcAuthorizationClient } from './grpc-authorization-client.ts';
import { HttpAuthorizationClient } from './http-authorization-client.ts';
import { RefusingFilterFactory } from './refuse.ts';

const METADATA_NAMESPACE = 'envoy.filters.http.ext_authz';
const FAILURE_MODE_ALLOWED = headerName('x-envoy-auth-failure-mode-allowed');

type Denial = Extract<AuthorizationVerdict, { kind: 'denied' }>;
/** What the request's route makes of it. */
interface CheckSetup {
  readonly client: AuthorizationClient;
  /** Null: bodies are not looked at. */
  readonly body: AuthorizationBodyConfig | null;
  readonly extensions: readonly ReadonlyMap<string, string>[];
}

const State = {
  /** The body is gathered. */
  Buffering: 0,
  Asking: 1,
  Allowed: 2,
  Refused: 3,
} as const;
type State = (typeof State)[keyof typeof State];

class ExtAuthzFilter extends PassThroughFilter implements AuthorizationOwner {
  readonly #settings: ExtAuthzSettings;
  readonly #callbacks: FilterCallbacks;
  readonly #setup: CheckSetup;
  #state: State = State.Allowed;
  #check: AuthorizationCheck | null = null;
  #cluster: ThreadLocalCluster | undefined = undefined;
  #askedAtMs = 0;
  #bufferedBytes = 0;
  /** The verdict came while it was asked for: the caller goes on by itself. */
  #synchronous = false;
  #responseLines: readonly HeaderLine[] = [];
  #more: MoreChanges | null = null;

  constructor(settings: ExtAuthzSettings, callbacks: FilterCallbacks, setup: CheckSetup) {
    super();
    this.#settings = settings;
    this.#callbacks = callbacks;
    this.#setup = setup;
  }

  override decodeHeaders(_headers: RequestHeaders, endStream: boolean): FilterStatus {
    const { stats } = this.#settings;
    const { streamInfo } = this.#callbacks;
    if (!this.#settings.enabled(streamInfo)) {
      stats.store.inc(stats.disabled);
      if (!this.#settings.deniesAtDisable) return FilterStatus.Continue;
      this.#refuseWithError();
      return FilterStatus.StopIteration;
    }
    const { body } = this.#setup;
    if (body === null || endStream || this.#callbacks.upgradeRequested) return this.#ask(null);
    this.#state = State.Buffering;
    if (!body.allowPartial) this.#callbacks.setBufferLimit(body.maxBytes);
    return FilterStatus.StopAndBuffer;
  }

  override decodeData(chunk: Buffer, endStream: boolean): FilterStatus {
    if (this.#state !== State.Buffering) return FilterStatus.Continue;
    const { maxBytes, allowPartial } = this.#setup.body!;
    this.#bufferedBytes += chunk.length;
    const full = this.#bufferedBytes >= maxBytes;
    // More than may be there: answered with 413 where it is held.
    if (!allowPartial && this.#bufferedBytes > maxBytes) return FilterStatus.StopAndBuffer;
    if (!endStream && !(allowPartial && full)) return FilterStatus.StopAndBuffer;
    return this.#ask(chunk);
  }

  override decodeTrailers(): FilterStatus {
    return this.#state === State.Buffering ? this.#ask(null) : FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    for (const [name, value] of this.#responseLines) headers.append(name, value);
    if (this.#more !== null) changeResponse(headers, this.#more);
    return FilterStatus.Continue;
  }

  override onDestroy(): void {
    this.#state = State.Refused;
    this.#check?.cancel();
    this.#check = null;
  }

  /** `last`: the part of the body that is not held yet. */
  #ask(last: Buffer | null): FilterStatus {
    const { requestHeaders, streamInfo, route } = this.#callbacks;
    const { clusters, time } = this.#settings.context;
    const buffered = this.#state === State.Buffering;
    this.#cluster = clusters.get(route?.clusterName ?? '');
    this.#askedAtMs = time.monotonicMs();
    this.#state = State.Asking;
    this.#synchronous = true;
    const question = {
      headers: requestHeaders,
      body: buffered ? this.#bodyWith(last) : null,
      info: streamInfo,
      extensions: this.#setup.extensions,
    };
    const check = this.#setup.client.check(question, this);
    this.#synchronous = false;
    if (this.#asking) this.#check = check;
    return this.#allowed ? FilterStatus.Continue : FilterStatus.StopIteration;
  }

  get #asking(): boolean {
    return this.#state === State.Asking;
  }

  get #allowed(): boolean {
    return this.#state === State.Allowed;
  }

  #bodyWith(last: Buffer | null): NonNullable<AuthorizationQuestion['body']> {
    const held = this.#callbacks.heldRequestBody();
    const all = Buffer.concat(last === null ? held : [...held, last]);
    const { maxBytes, packAsBytes } = this.#setup.body!;
    return { bytes: all.subarray(0, maxBytes), partial: all.length > maxBytes, packAsBytes };
  }

  // === AuthorizationOwner

  onVerdict(verdict: AuthorizationVerdict): void {
    if (this.#state !== State.Asking) return;
    this.#check = null;
    if (verdict.kind === 'ok') this.#allow(verdict);
    else if (verdict.kind === 'denied') this.#deny(verdict);
    else this.#onError();
  }

  #allow(verdict: Allowance): void {
    const { config, stats } = this.#settings;
    if (!changeRequest(this.#callbacks.requestHeaders, verdict, this.#settings.rules)) {
      stats.count('invalid', this.#cluster);
      this.#refuse(500, 'ext_authz_invalid');
      return;
    }
    this.#responseLines = verdict.response;
    this.#more = verdict.more;
    this.#noteMetadata(verdict);
    if (config.clearRouteCache && mayChangeRoute(verdict, config.clearRouteCacheHeaders))
      this.#callbacks.clearRouteCache();
    stats.count('ok', this.#cluster);
    this.#goOn();
  }

  #noteMetadata({ metadata }: Allowance | Denial): void {
    if (metadata.size === 0) return;
    const { config, stats, context } = this.#settings;
    if (!config.ingestMetadata) {
      stats.store.inc(stats.ignoredMetadata);
      return;
    }
    const dynamic = this.#callbacks.streamInfo.metadataForWriting();
    const elapsedMs = Math.floor(context.time.monotonicMs() - this.#askedAtMs);
    dynamic.set(METADATA_NAMESPACE, 'ext_authz_duration', elapsedMs);
    dynamic.merge(METADATA_NAMESPACE, metadata);
  }

  #deny(verdict: Denial): void {
    const { config, stats } = this.#settings;
    const cluster = this.#cluster;
    this.#noteMetadata(verdict);
    stats.count('denied', cluster);
    if (cluster !== undefined && config.chargeClusterStats) {
      cluster.stats.all.charge(verdict.status);
      cluster.stats.internal.charge(verdict.status);
    }
    const { maxDeniedBodyBytes } = config;
    const body =
      maxDeniedBodyBytes > 0 ? verdict.body.subarray(0, maxDeniedBodyBytes) : verdict.body;
    this.#state = State.Refused;
    this.#callbacks.sendLocalReply({
      status: verdict.status,
      body: body.toString('utf8'),
      bodyBytes: body,
      details: 'ext_authz_denied',
      flag: ResponseFlag.UnauthorizedExternalService,
      grpcStatus: undefined,
      modifyHeaders: (to) => {
        for (const [name] of verdict.headers) to.remove(name);
        for (const [name, value] of verdict.headers) to.append(name, value);
      },
    });
  }

  #onError(): void {
    const { config, stats } = this.#settings;
    stats.count('error', this.#cluster);
    if (!config.failureModeAllow) {
      this.#refuseWithError();
      return;
    }
    stats.count('failure_mode_allowed', this.#cluster);
    if (config.failureModeAllowHeaderAdd)
      this.#callbacks.requestHeaders.append(FAILURE_MODE_ALLOWED, 'true');
    this.#goOn();
  }

  #refuseWithError(): void {
    this.#refuse(this.#settings.config.statusOnError, 'ext_authz_error');
  }

  #refuse(status: number, details: string): void {
    this.#state = State.Refused;
    this.#callbacks.sendLocalReply({
      status,
      body: '',
      details,
      flag: ResponseFlag.UnauthorizedExternalService,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }

  #goOn(): void {
    this.#state = State.Allowed;
    if (!this.#synchronous) this.#callbacks.continueDecoding();
  }
}

export class ExtAuthzFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #settings: ExtAuthzSettings;
  readonly #clients: CompiledSettings<AuthorizationServiceConfig, AuthorizationClient>;
  readonly #setup: CheckSetup;
  readonly #perRoute: CompiledSettings<ExtAuthzPerRouteConfig, CheckSetup>;
  readonly #refusing: CompiledSettings<RefusingFilterConfig, RefusingFilterFactory>;

  constructor(name: string, config: ExtAuthzConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#settings = new ExtAuthzSettings(config, context);
    this.#clients = new CompiledSettings((service) =>
      'grpc' in service
        ? new GrpcAuthorizationClient(service, context)
        : new HttpAuthorizationClient(service, context),
    );
    this.#setup = {
      client: this.#clients.of(config.service),
      body: config.body ?? null,
      extensions: [],
    };
    this.#perRoute = new CompiledSettings((perRoute) => this.#setupFor(perRoute));
    this.#refusing = new CompiledSettings(
      (refusal) => new RefusingFilterFactory(name, refusal, context),
    );
  }

  /** A request without a route is answered with 404 and needs nobody's word. */
  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    if (route === null) return null;
    const perRoute = route.filterSettings(this.name, requestHeaders, streamInfo);
    if (perRoute?.kind === 'refuse') return this.#refusing.of(perRoute).createFilter(callbacks);
    if (perRoute?.kind !== 'ext_authz_per_route')
      return new ExtAuthzFilter(this.#settings, callbacks, this.#setup);
    const levels = route.filterSettingsOfLevels(this.name, requestHeaders, streamInfo);
    const extensions = levels.flatMap((level) =>
      level.kind === 'ext_authz_per_route' ? [level.contextExtensions] : [],
    );
    const setup = { ...this.#perRoute.of(perRoute), extensions };
    return new ExtAuthzFilter(this.#settings, callbacks, setup);
  }

  #setupFor(perRoute: ExtAuthzPerRouteConfig): CheckSetup {
    const { service, body, disableBody } = perRoute;
    return {
      client: service === undefined ? this.#setup.client : this.#clients.of(service),
      body: disableBody ? null : (body ?? this.#setup.body),
      extensions: [],
    };
  }
}
