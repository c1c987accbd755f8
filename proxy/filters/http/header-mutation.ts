// [w] envoy.filters.http.header_mutation: changes headers, trailers and query parameters; the filter's own settings
// first, then those of every level of the route. Exists only where one of them has something to do.
import type {
  HeaderMutationFilterConfig,
  MutationsConfig,
} from '../../config/header-mutation-filter-config.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import { NO_ENVIRONMENT } from '../../router/route-environment.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { HeaderOperations } from '../../router/header-operations.ts';
import type { MutationContext } from '../../router/header-operations.ts';
import { QueryMutations } from './query-mutations.ts';

export class Mutations {
  readonly request: HeaderOperations;
  readonly requestTrailers: HeaderOperations;
  readonly response: HeaderOperations;
  readonly responseTrailers: HeaderOperations;
  readonly query: QueryMutations;

  /** Throws ConfigError for a bad regex or %COMMAND%. */
  constructor(config: MutationsConfig, environment: RouteEnvironment = NO_ENVIRONMENT) {
    this.request = new HeaderOperations(config.request, 'request_mutations', environment);
    this.requestTrailers = new HeaderOperations(
      config.requestTrailers,
      'request_trailers_mutations',
      environment,
    );
    this.response = new HeaderOperations(config.response, 'response_mutations', environment);
    this.responseTrailers = new HeaderOperations(
      config.responseTrailers,
      'response_trailers_mutations',
      environment,
    );
    this.query = new QueryMutations(config.query, 'query_parameter_mutations', environment);
  }
}

class HeaderMutationFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #levels: readonly Mutations[];
  #response: ResponseHeaders | null = null;

  constructor(callbacks: FilterCallbacks, levels: readonly Mutations[]) {
    super();
    this.#callbacks = callbacks;
    this.#levels = levels;
  }

  override decodeHeaders(headers: RequestHeaders): FilterStatus {
    const context = this.#context();
    for (const level of this.#levels) {
      level.request.apply(headers, context);
      level.query.mutate(headers, context.info);
    }
    const missing =
      headers.method === ''
        ? ':method'
        : headers.path === '' && headers.method !== 'CONNECT'
          ? ':path'
          : undefined;
    if (missing === undefined) return FilterStatus.Continue;
    this.#callbacks.streamInfo.setFlag(ResponseFlag.DownstreamProtocolError);
    return this.#refuse(503, 'request', missing);
  }

  override decodeTrailers(trailers: HeaderMap): FilterStatus {
    const context = this.#context();
    for (const level of this.#levels) level.requestTrailers.apply(trailers, context);
    return FilterStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders): FilterStatus {
    this.#response = headers;
    const context = this.#context();
    const { status } = headers;
    for (const level of this.#levels) level.response.apply(headers, context);
    if (headers.status !== 0) return FilterStatus.Continue;
    headers.status = status;
    // A reply of our own keeps its status: there is nothing else to say in its stead.
    if (context.info.responseCodeDetails !== 'via_upstream') return FilterStatus.Continue;
    return this.#refuse(502, 'response', ':status');
  }

  override encodeTrailers(trailers: HeaderMap): FilterStatus {
    const context = this.#context();
    for (const level of this.#levels) level.responseTrailers.apply(trailers, context);
    return FilterStatus.Continue;
  }

  #context(): MutationContext {
    const { requestHeaders, streamInfo } = this.#callbacks;
    return { request: requestHeaders, response: this.#response, info: streamInfo };
  }

  /** A message cannot go on without it; Envoy finds that out a little later, with the same words. */
  #refuse(status: number, message: 'request' | 'response', missing: string): FilterStatus {
    this.#callbacks.sendLocalReply({
      status,
      body: `missing required header: ${missing}`,
      details: `filter_removed_required_${message}_headers{missing_required_header:_${missing}}`,
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
    return FilterStatus.StopIteration;
  }
}

export class HeaderMutationFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #own: readonly Mutations[];
  readonly #mostSpecificWins: boolean;
  readonly #compiled: CompiledSettings<MutationsConfig, Mutations>;

  constructor(name: string, config: HeaderMutationFilterConfig, context: FilterFactoryContext) {
    this.name = name;
    const environment = context.routeEnvironment;
    this.#compiled = new CompiledSettings((mutations) => new Mutations(mutations, environment));
    this.#own = isEmpty(config.mutations) ? [] : [this.#compiled.of(config.mutations)];
    this.#mostSpecificWins = config.mostSpecificWins;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const levels = this.#levels(callbacks);
    return levels.length === 0 ? null : new HeaderMutationFilter(callbacks, levels);
  }

  #levels({ route, requestHeaders, streamInfo }: FilterCallbacks): readonly Mutations[] {
    if (route === null) return this.#own;
    const settings = route.filterSettingsOfLevels(this.name, requestHeaders, streamInfo);
    if (settings.length === 0) return this.#own;
    const levels: Mutations[] = [];
    for (const level of settings)
      if (level.kind === 'header_mutation_per_route')
        levels.push(this.#compiled.of(level.mutations));
    if (this.#mostSpecificWins) levels.reverse();
    return [...this.#own, ...levels];
  }
}

const isEmpty = (config: MutationsConfig): boolean =>
  Object.values(config).every((operations: readonly unknown[]) => operations.length === 0);
