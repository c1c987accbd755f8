// [w] DefaultOffFactory: an entry of `http_filters` with `disabled: true` runs only where the route switches it on.
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';

export class DefaultOffFactory implements HttpFilterFactory {
  readonly name: string;
  readonly #factory: HttpFilterFactory;

  constructor(factory: HttpFilterFactory) {
    this.name = factory.name;
    this.#factory = factory;
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const { route, requestHeaders, streamInfo } = callbacks;
    const state = route?.filterState(this.name, requestHeaders, streamInfo);
    return state === 'enabled' ? this.#factory.createFilter(callbacks) : null;
  }
}
