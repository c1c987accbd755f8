// [w] Whether the connection lives on after a response, and what the response says of it (envoy-behaviour §1.8 steps 5 and 6, §1.10).
import type { ConnManagerContext } from './conn-manager-context.ts';
import { H } from './headers.ts';
import type { ResponseHeaders } from './header-map.ts';

/** The connection's side of it. */
export interface PersistentConnection {
  readonly context: ConnManagerContext;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** The connection ends after the response under way; HTTP/2 knows no such thing and takes no notice. */
  closing: boolean;
  /** It ends after the drain time; responses say so from now on. */
  readonly draining: boolean;
  startDrain(): void;
}

/** `upgraded`: the response opens a tunnel, which has no such header. */
export function decideClose(
  connection: PersistentConnection,
  headers: ResponseHeaders,
  requestComplete: boolean,
  upgraded: boolean,
): void {
  const { stats, drain } = connection.context;
  if (!connection.closing && !connection.draining && drain.drainClose()) {
    stats.store.inc(stats.cxDrainClose);
    connection.startDrain();
  }
  if (!requestComplete) {
    stats.store.inc(stats.rqResponseBeforeRqComplete);
    connection.closing = true;
  }
  if (upgraded || connection.protocol === 'HTTP/2') return;
  if (connection.closing || connection.draining) headers.set(H.connection, 'close');
  else if (connection.protocol === 'HTTP/1.0') {
    if (headers.has(H.contentLength)) headers.set(H.connection, 'keep-alive');
    else {
      connection.closing = true;
      headers.set(H.connection, 'close');
    }
  }
}
