// [b] envoy.filters.http.stateful_session as plain data: clients come back to the host that answered them.
import type { CookieAttributeConfig } from './route-config.ts';

export type SessionStateConfig = NonNullable<StatefulSessionConfig['state']>;

export interface StatefulSessionConfig {
  readonly kind: 'stateful_session';
  /** A request whose host is not there is refused; else another host takes it. */
  readonly strict: boolean;
  /** Undefined: none is kept, unless the route says one. */
  readonly state:
    | undefined
    | {
        readonly kind: 'cookie';
        readonly name: string;
        readonly path: string;
        /** 0: for as long as the client runs. */
        readonly ttlSeconds: number;
        readonly attributes: readonly CookieAttributeConfig[];
      }
    /** Lower-case name. */
    | { readonly kind: 'header'; readonly name: string };
}
