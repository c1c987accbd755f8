// [w] How the connections of a TCP session ended, where that was not just by a FIN. Kept beside StreamInfo, since requests
// have nothing of the kind and logs hardly ever ask.
import type { StreamInfo } from './stream-info.ts';

export type CloseType = 'Normal' | 'LocalReset' | 'RemoteReset';

export interface CloseFacts {
  readonly downstream: CloseType;
  readonly upstream: CloseType;
  /** Why we closed; '' where we did not, or had no reason of our own. */
  readonly downstreamReason: string;
  readonly upstreamReason: string;
}

const NORMAL: CloseFacts = {
  downstream: 'Normal',
  upstream: 'Normal',
  downstreamReason: '',
  upstreamReason: '',
};

const noted = new WeakMap<StreamInfo, CloseFacts>();

export const closeFacts = (info: StreamInfo): CloseFacts | undefined => noted.get(info);

export function noteClose(info: StreamInfo, facts: Partial<CloseFacts>): void {
  noted.set(info, { ...(noted.get(info) ?? NORMAL), ...facts });
}
