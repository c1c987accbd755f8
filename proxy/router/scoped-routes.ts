// [w] ScopedRoutes: the route table whose scope has the key that a request's headers make (SRDS); none: 404, as without any table.
import type {
  ScopeConfig,
  ScopeFragmentConfig,
  ScopedRoutesConfig,
} from '../config/scoped-routes-config.ts';
import { scopeKey } from '../config/scoped-routes-config.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import type { RouteProvider, RouteTable } from '../http/route-provider.ts';

class ScopeFragment {
  readonly #config: ScopeFragmentConfig;
  readonly #header: HeaderName;

  constructor(config: ScopeFragmentConfig) {
    this.#config = config;
    this.#header = headerName(config.header);
  }

  /** Undefined: the request has none. */
  of(headers: RequestHeaders): string | undefined {
    const [value] = headers.getAll(this.#header);
    if (value === undefined) return undefined;
    const { separator, element } = this.#config;
    const elements = separator === '' ? [value] : value.split(separator);
    if (element.kind === 'index') return elements[element.index];
    for (const each of elements) {
      const end = each.indexOf(element.separator);
      if ((end < 0 ? each : each.slice(0, end)) === element.key)
        return end < 0 ? '' : each.slice(end + element.separator.length);
    }
    return undefined;
  }
}

export class ScopedRoutes implements RouteProvider {
  readonly #fragments: readonly ScopeFragment[];
  readonly #tables = new Map<string, RouteProvider>();

  constructor(config: ScopedRoutesConfig, tableOf: (scope: ScopeConfig) => RouteProvider) {
    this.#fragments = config.fragments.map((fragment) => new ScopeFragment(fragment));
    for (const scope of config.scopes) this.#tables.set(scopeKey(scope.key), tableOf(scope));
  }

  current(headers: RequestHeaders): RouteTable | null {
    const parts: string[] = [];
    for (const fragment of this.#fragments) {
      const part = fragment.of(headers);
      if (part === undefined) return null;
      parts.push(part);
    }
    return this.#tables.get(scopeKey(parts))?.current(headers) ?? null;
  }
}
