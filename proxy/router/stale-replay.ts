// [w] Which requests go out once more because the kept connection they were sent on proved to be dead: the upstream had
// closed it and nobody had noticed yet (docs/stale-connections.md). Not a retry: no policy has to ask for it.
import { StreamResetReason } from '../http/codec.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import { IDEMPOTENT_METHODS } from './retry-state.ts';
import type { RouteAction } from './route-action.ts';

/** Of a body that nobody else wants to keep. */
export const MAX_REPLAY_BODY_BYTES = 65_536;

/** `reason`: of its end. */
export function mayReplay(
  action: RouteAction,
  headers: RequestHeaders,
  attempt: {
    readonly reason: StreamResetReason;
    readonly requestEnded: boolean;
    readonly connection: UpstreamConnectionFacts | null;
  },
): boolean {
  const { reason, requestEnded, connection } = attempt;
  if (!action.replayStale || connection === null || !connection.stale) return false;
  // Named in a GOAWAY as one that was not looked at (RFC 9113 §6.8).
  if (reason === StreamResetReason.RemoteRefusedStreamReset) return true;
  return (
    reason === StreamResetReason.ConnectionTermination &&
    keepsForReplay(action, headers, requestEnded, connection)
  );
}

/**
 * Whether what is sent has to be kept. `requestEnded`: the upstream may have all of it. What is not idempotent is sent again only when that cannot be, and under the
 * replay guard never.
 */
export function keepsForReplay(
  action: RouteAction,
  headers: RequestHeaders,
  requestEnded: boolean,
  connection: UpstreamConnectionFacts | null,
): boolean {
  if (!action.replayStale || connection === null || !connection.kept) return false;
  return IDEMPOTENT_METHODS.has(headers.method) || (!requestEnded && !action.guardReplays);
}
