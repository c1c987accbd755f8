// [w] Mirrors: the copies of one request that other clusters get (envoy-behaviour §3.7). Exists only where there is one.
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { RouteAction } from './route-action.ts';
import { ShadowRequest } from './shadow-request.ts';
import type { ShadowContext } from './shadow-request.ts';

export class Mirrors {
  readonly #shadows: readonly ShadowRequest[];

  private constructor(shadows: readonly ShadowRequest[]) {
    this.#shadows = shadows;
  }

  /** Null: no copy is made. `request.headers`: as they go to the real upstream. */
  static start(
    action: RouteAction,
    context: ShadowContext,
    request: {
      readonly headers: RequestHeaders;
      readonly info: StreamInfo;
      readonly endStream: boolean;
    },
  ): Mirrors | null {
    const shadows: ShadowRequest[] = [];
    for (const policy of action.mirrors) {
      const shadow = ShadowRequest.start(policy, action, context, request);
      if (shadow !== null) shadows.push(shadow);
    }
    return shadows.length === 0 ? null : new Mirrors(shadows);
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    for (const shadow of this.#shadows) shadow.sendData(chunk, endStream);
  }

  sendTrailers(_trailers: HeaderMap): void {
    for (const shadow of this.#shadows) shadow.sendTrailers();
  }

  /** The request will not become complete. */
  cancel(): void {
    for (const shadow of this.#shadows) shadow.cancel();
  }
}
