// [w] What a message head may be.
import type { PreserveCaseConfig } from '../../config/http-connection-manager-config.ts';

export interface HeadLimits {
  /** The whole head, line ends and all. */
  readonly maxBytes: number;
  readonly maxCount: number;
  readonly underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** Any token is a method. */
  readonly customMethods?: boolean;
  /** Remembers how names were spelled. */
  readonly preserveCase?: PreserveCaseConfig | null;
}
