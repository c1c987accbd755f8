// [w] TlsRedirectRoute: stands in for every route of a virtual host that requires TLS (envoy-behaviour §3.1).
import type { UpgradeConfig } from '../config/route-config.ts';
import type { Route, RouteFilterState } from '../http/route-provider.ts';
import { NO_METADATA } from '../stream-info/upstream-facts.ts';
import type { ConfigMetadata } from '../stream-info/upstream-facts.ts';
import { TlsRedirect } from './direct-response.ts';
import type { DirectResponse } from './direct-response.ts';
import type { RouteScope } from './route-scope.ts';

const NO_UPGRADES: readonly UpgradeConfig[] = [];

export class TlsRedirectRoute implements Route {
  readonly name = '';
  readonly clusterName = '';
  readonly metadata = NO_METADATA;
  readonly idleTimeoutMs = undefined;
  readonly maxStreamDuration = undefined;
  readonly upgrades = NO_UPGRADES;
  readonly tracing = undefined;
  readonly direct: DirectResponse = new TlsRedirect();
  readonly scope: RouteScope;

  constructor(scope: RouteScope) {
    this.scope = scope;
  }

  get virtualHostName(): string {
    return this.scope.name;
  }

  get virtualHostMetadata(): ConfigMetadata {
    return this.scope.metadata;
  }

  get place(): string {
    return `${this.scope.place}.require_tls`;
  }

  filterSettings(): undefined {
    return undefined;
  }

  filterSettingsOfLevels(): readonly [] {
    return [];
  }

  filterState(filterName: string): RouteFilterState {
    const entry = this.scope.perFilter?.get(filterName);
    if (entry === undefined) return 'default';
    return entry.disabled ? 'disabled' : 'enabled';
  }

  /** Virtual host and route configuration have no say in its headers, as in Envoy. */
  finalizeResponseHeaders(): void {}
}
