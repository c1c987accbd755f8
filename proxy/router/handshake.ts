// [w] What an upgrade or CONNECT waits for before its bytes may flow (envoy-behaviour §1.11).
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';

export const Handshake = { None: 0, WebSocket: 1, OtherUpgrade: 2, Connect: 3 } as const;
export type Handshake = (typeof Handshake)[keyof typeof Handshake];

export function handshakeOf(headers: RequestHeaders): Handshake {
  if (headers.method === 'CONNECT') return Handshake.Connect;
  return headers.get(H.upgrade)?.toLowerCase() === 'websocket'
    ? Handshake.WebSocket
    : Handshake.OtherUpgrade;
}

/** The answer opens the tunnel. */
export const handshakeAccepted = (kind: Handshake, status: number): boolean =>
  kind === Handshake.Connect ? status >= 200 && status < 300 : status === 101;

/** A refusal that a WebSocket client has to be told by a reply of our own: it would not understand a body. */
export const handshakeNeedsReply = (kind: Handshake, status: number): boolean =>
  kind === Handshake.WebSocket && status < 400;
