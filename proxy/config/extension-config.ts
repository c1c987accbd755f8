// [m] What comes by ECDS (envoy.config.core.v3.TypedExtensionConfig): the settings of a filter.
import type { HttpFilterSettings } from './http-filter-config.ts';
import type { NetworkFilterConfig } from './network-filter-config.ts';

export interface ExtensionConfig {
  readonly name: string;
  readonly version: string;
  /** Of the content. */
  readonly hash: string;
  /** Full name of the message. */
  readonly typeName: string;
  /** As an HTTP filter; undefined: it is none. */
  readonly http: HttpFilterSettings | undefined;
  /** As a network filter; undefined: it is none. */
  readonly network: NetworkFilterConfig | undefined;
}
