// [b] local_reply_config of a connection manager as plain data: how replies that the proxy makes itself are changed.
import type { AccessLogFilterConfig, AccessLogFormat } from './access-log-config.ts';
import type { HeaderAddConfig } from './header-mutation-config.ts';

export interface LocalReplyConfig {
  /** The first one that matches is used. */
  readonly mappers: readonly LocalReplyMapperConfig[];
  /** Undefined: the body as it is. */
  readonly bodyFormat: AccessLogFormat | undefined;
}

export interface LocalReplyMapperConfig {
  readonly filter: AccessLogFilterConfig;
  /** Undefined: the status stays. */
  readonly status: number | undefined;
  /** Undefined: the body stays. */
  readonly body: Uint8Array | undefined;
  readonly headersToAdd: readonly HeaderAddConfig[];
  /** In place of the format for all. */
  readonly bodyFormat: AccessLogFormat | undefined;
}
