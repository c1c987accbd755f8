// [w] RefusingFilterFactory: stands where a security filter is configured that this proxy does not enforce yet.
//
// Every request it guards is refused. 503 and not 403: nobody decided that this caller may not pass; the proxy is
// unable to decide. The body names the filter, so that it is not mistaken for a failing upstream.
import type { RefusingFilterConfig } from '../../config/http-filter-config.ts';
import { FilterStatus, PassThroughFilter } from '../../http/http-filter.ts';
import type {
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from '../../http/http-filter.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import type { FilterFactoryContext } from '../factory-context.ts';

class RefusingFilter extends PassThroughFilter {
  readonly #callbacks: FilterCallbacks;
  readonly #reply: LocalReply;

  constructor(callbacks: FilterCallbacks, reply: LocalReply) {
    super();
    this.#callbacks = callbacks;
    this.#reply = reply;
  }

  override decodeHeaders(): FilterStatus {
    this.#callbacks.sendLocalReply(this.#reply);
    return FilterStatus.StopIteration;
  }
}

export class RefusingFilterFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #reply: LocalReply;
  readonly #stats: StatsStore;
  readonly #refused: StatId;

  constructor(name: string, config: RefusingFilterConfig, context: FilterFactoryContext) {
    this.name = name;
    this.#stats = context.stats;
    this.#refused = context.stats.counter(`http.${context.statPrefix}.filter_not_enforced`);
    this.#reply = {
      status: 503,
      body: `filter ${name} is not enforced by this proxy: ${config.reason}`,
      details: `filter_not_enforced{${name}}`,
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    };
    context.log.warn('security filter is not enforced; requests it guards are refused', {
      filter: name,
      typeUrl: config.typeUrl,
      reason: config.reason,
    });
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter {
    this.#stats.inc(this.#refused);
    return new RefusingFilter(callbacks, this.#reply);
  }
}
