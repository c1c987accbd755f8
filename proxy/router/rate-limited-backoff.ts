// [b] RateLimitedBackoff: answers that say when to come back (envoy-behaviour §4.4).
import type { TimeSource } from '../base/clock.ts';
import type { RateLimitedBackoffConfig } from '../config/route-config.ts';
import type { ResponseHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { unsignedInteger } from '../http/unsigned-integer.ts';

interface ResetHeader {
  readonly name: HeaderName;
  /** The value is a time, not a distance. */
  readonly unixTimestamp: boolean;
}

export class RateLimitedBackoff {
  readonly #headers: readonly ResetHeader[];
  readonly #maxMs: number;

  constructor(config: RateLimitedBackoffConfig) {
    this.#headers = config.resetHeaders.map(({ name, format }) => ({
      name: headerName(name),
      unixTimestamp: format === 'UNIX_TIMESTAMP',
    }));
    this.#maxMs = config.maxIntervalMs;
  }

  /** What the first header that can be used asks for, in ms; 0: nothing (too long a wait is nothing, too). */
  askedMs(headers: ResponseHeaders, time: TimeSource): number {
    for (const { name, unixTimestamp } of this.#headers) {
      const text = headers.getAny(name);
      if (text === undefined) continue;
      let seconds = unsignedInteger(text);
      if (Number.isNaN(seconds)) continue;
      if (unixTimestamp) seconds -= Math.floor(time.wallMs() / 1000);
      if (seconds >= 0 && seconds * 1000 <= this.#maxMs) return seconds * 1000;
    }
    return 0;
  }
}
