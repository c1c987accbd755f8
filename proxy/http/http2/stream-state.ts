// [w] Life of a stream (RFC 9113 §5.1) as one table. The reserved states are missing: nobody may push.
//
//   Idle ──HEADERS──▶ Open ──END_STREAM sent──▶ HalfClosedLocal ──END_STREAM received──▶ Closed
//                       └───END_STREAM received─▶ HalfClosedRemote ─END_STREAM sent────▶ Closed      RST_STREAM: Closed
import { ErrorCode } from './protocol.ts';

export const StreamState = {
  Idle: 0,
  Open: 1,
  HalfClosedLocal: 2,
  HalfClosedRemote: 3,
  Closed: 4,
} as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/** What arrives or is sent. Headers and Data without, then with END_STREAM. */
export const StreamEvent = {
  RecvHeaders: 0,
  RecvHeadersEnd: 1,
  RecvData: 2,
  RecvDataEnd: 3,
  RecvReset: 4,
  RecvWindowUpdate: 5,
  SendHeaders: 6,
  SendHeadersEnd: 7,
  SendData: 8,
  SendDataEnd: 9,
  SendReset: 10,
} as const;
export type StreamEvent = (typeof StreamEvent)[keyof typeof StreamEvent];

const EVENTS = 11;
/** Above the states: the error's code is in the low four bits. */
const STREAM_ERROR = 0x40;
const CONNECTION_ERROR = 0x80;

const { Open, HalfClosedLocal, HalfClosedRemote, Closed } = StreamState;
/** Idle streams know HEADERS and nothing else; both ends begin with one. */
const idle = CONNECTION_ERROR | ErrorCode.ProtocolError;
const ended = STREAM_ERROR | ErrorCode.StreamClosed;
const gone = CONNECTION_ERROR | ErrorCode.StreamClosed;
/** Ours to prevent: sending what the state forbids. */
const never = CONNECTION_ERROR | ErrorCode.InternalError;

// prettier-ignore
const TABLE = Uint8Array.of(
  // RecvHeaders  HeadersEnd        RecvData          DataEnd           Reset   WindowUpdate      SendHeaders       HeadersEnd        SendData          DataEnd           Reset
  Open,             HalfClosedRemote, idle,             idle,             idle,   idle,             Open,             HalfClosedLocal,  never,            never,            never,
  Open,             HalfClosedRemote, Open,             HalfClosedRemote, Closed, Open,             Open,             HalfClosedLocal,  Open,             HalfClosedLocal,  Closed,
  HalfClosedLocal,  Closed,           HalfClosedLocal,  Closed,           Closed, HalfClosedLocal,  never,            never,            never,            never,            Closed,
  ended,            ended,            ended,            ended,            Closed, HalfClosedRemote, HalfClosedRemote, Closed,           HalfClosedRemote, Closed,           Closed,
  gone,             gone,             ended,            ended,            Closed, Closed,           never,            never,            never,            never,            Closed,
);

/** The next state, or an error (see the functions below). */
export const transition = (state: StreamState, event: StreamEvent): number =>
  TABLE[state * EVENTS + event]!;

export const isError = (outcome: number): boolean => outcome >= STREAM_ERROR;
export const isConnectionError = (outcome: number): boolean => outcome >= CONNECTION_ERROR;
export const errorOf = (outcome: number): ErrorCode => (outcome & 0x0f) as ErrorCode;
