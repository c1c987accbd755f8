// [w] InertFilterFactory: a filter that is accepted by name and does nothing here. A route may still guard itself with
// settings of that name that are not enforced yet; those refuse, as everywhere.
import type { RefusingFilterConfig } from '../../config/http-filter-config.ts';
import type { FilterCallbacks, HttpFilter, HttpFilterFactory } from '../../http/http-filter.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { CompiledSettings } from './compiled-settings.ts';
import { RefusingFilterFactory } from './refuse.ts';

export class InertFilterFactory implements HttpFilterFactory {
  readonly name: string;
  /** By the route's settings: each refusal gives its own reason. */
  readonly #refusing: CompiledSettings<RefusingFilterConfig, RefusingFilterFactory>;

  constructor(name: string, context: FilterFactoryContext) {
    this.name = name;
    this.#refusing = new CompiledSettings(
      (settings) => new RefusingFilterFactory(name, settings, context),
    );
  }

  createFilter(callbacks: FilterCallbacks): HttpFilter | null {
    const settings = callbacks.route?.filterSettings(
      this.name,
      callbacks.requestHeaders,
      callbacks.streamInfo,
    );
    if (settings === undefined || settings.kind !== 'refuse') return null;
    return this.#refusing.of(settings).createFilter(callbacks);
  }
}
