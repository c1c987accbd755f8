// [w] envoy.filters.http.csrf: requests that change something have to come from a page of the same host, as their origin
// or referer tells, or from one that is named.
import type { CsrfPolicyConfig } from '../../config/http-filter-config.ts';
import type { FractionConfig } from '../../config/matcher-config.ts';
import { H } from '../../http/headers.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { urlAuthority } from '../../http/http1/request-target.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type {
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from '../../http/http-filter.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompiledSettings } from './compiled-settings.ts';

const MODIFYING: ReadonlySet<string> = new Set(['POST', 'PUT', 'DELETE', 'PATCH']);

const INVALID_ORIGIN: LocalReply = {
  status: 403,
  body: 'Invalid origin',
  details: 'csrf_origin_mismatch',
  flag: undefined,
  grpcStatus: undefined,
  modifyHeaders: undefined,
};

class CsrfPolicy {
  readonly config: CsrfPolicyConfig;
  readonly #origins: readonly StringMatcher[];

  constructor(config: CsrfPolicyConfig) {
    this.config = config;
    this.#origins = config.additionalOrigins.map(
      (origin, i) => new StringMatcher(origin, `additional_origins[${i}]`),
    );
  }

  allows(origin: string, host: string): boolean {
    return origin === host || this.#origins.some((matcher) => matcher.matches(origin));
  }
}

/** Host and port; what is no URL counts as it stands. */
const hostAndPort = (text: string | undefined): string =>
  text === undefined ? '' : (urlAuthority(text) ?? text);

/** `null` is the browsers' word for no origin, and a referer is no way around it. */
function sourceOf(headers: RequestHeaders): string {
  const origin = headers.get(H.origin);
  if (origin === 'null') return '';
  return hostAndPort(origin) || hostAndPort(headers.get(H.referer));
}

interface CsrfStats {
  readonly store: StatsStore;
  readonly missingSourceOrigin: StatId;
  readonly requestInvalid: StatId;
  readonly requestValid: StatId;
}

class CsrfFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #policy: CsrfPolicy;
  readonly #stats: CsrfStats;
  /** False: the request is judged, and passes. */
  readonly #enforced: boolean;

  constructor(callbacks: FilterCallbacks, policy: CsrfPolicy, stats: CsrfStats, enforced: boolean) {
    super();
    this.#callbacks = callbacks;
    this.#policy = policy;
    this.#stats = stats;
    this.#enforced = enforced;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    if (this.#isValid(headers) || !this.#enforced) return FilterStatus.Continue;
    this.#callbacks.sendLocalReply(INVALID_ORIGIN);
    return FilterStatus.StopIteration;
  }

  #isValid(headers: RequestHeaders): boolean {
    const { store, missingSourceOrigin, requestInvalid, requestValid } = this.#stats;
    const origin = sourceOf(headers);
    if (origin === '') {
      store.inc(missingSourceOrigin);
      return false;
    }
    const valid = this.#policy.allows(origin, hostAndPort(headers.authority));
    store.inc(valid ? requestValid : requestInvalid);
    return valid;
  }
}

export class CsrfFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #context: FilterFactoryContext;
  readonly #own: CsrfPolicy;
  readonly #stats: CsrfStats;
  readonly #perRoute = new CompiledSettings<CsrfPolicyConfig, CsrfPolicy>(
    (config) => new CsrfPolicy(config),
  );

  constructor(name: string, config: CsrfPolicyConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#context = context;
    this.#own = new CsrfPolicy(config);
    const counter = (stat: string): StatId =>
      context.stats.counter(`http.${context.statPrefix}.csrf.${stat}`);
    this.#stats = {
      store: context.stats,
      missingSourceOrigin: counter('missing_source_origin'),
      requestInvalid: counter('request_invalid'),
      requestValid: counter('request_valid'),
    };
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    if (!MODIFYING.has(requestHeaders.method)) return null;
    const level = route?.filterSettings(this.name, requestHeaders, streamInfo);
    const policy = level?.kind === 'csrf' ? this.#perRoute.of(level) : this.#own;
    const { enabled, shadowEnabled } = policy.config;
    const enforced = this.#holds(enabled, streamInfo.streamRandom);
    const judged =
      enforced ||
      (shadowEnabled !== undefined && this.#holds(shadowEnabled, streamInfo.streamRandom));
    return judged ? new CsrfFilter(callbacks, policy, this.#stats, enforced) : null;
  }

  #holds(fraction: FractionConfig, random: number): boolean {
    return this.#context.runtime.holds(fraction.runtimeKey ?? '', fraction, random);
  }
}
