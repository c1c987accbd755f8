// RFC 9113 §5.1 as rows: state, event, what comes of it.
import t from 'tap';

import { ErrorCode } from '../../../../proxy/http/http2/protocol.ts';
import {
  StreamEvent,
  StreamState,
  errorOf,
  isConnectionError,
  isError,
  transition,
} from '../../../../proxy/http/http2/stream-state.ts';

const STATES = Object.entries(StreamState);
const EVENTS = Object.entries(StreamEvent);
const nameOf = (state: number): string => STATES.find(([, value]) => value === state)![0];

/** `event: outcome` for each state; `conn X` and `stream X` are errors. */
const rows: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Idle: {
    RecvHeaders: 'Open',
    RecvHeadersEnd: 'HalfClosedRemote',
    RecvData: 'conn 1',
    RecvDataEnd: 'conn 1',
    RecvReset: 'conn 1',
    RecvWindowUpdate: 'conn 1',
    SendHeaders: 'Open',
    SendHeadersEnd: 'HalfClosedLocal',
    SendData: 'conn 2',
    SendDataEnd: 'conn 2',
    SendReset: 'conn 2',
  },
  Open: {
    RecvHeaders: 'Open',
    RecvHeadersEnd: 'HalfClosedRemote',
    RecvData: 'Open',
    RecvDataEnd: 'HalfClosedRemote',
    RecvReset: 'Closed',
    RecvWindowUpdate: 'Open',
    SendHeaders: 'Open',
    SendHeadersEnd: 'HalfClosedLocal',
    SendData: 'Open',
    SendDataEnd: 'HalfClosedLocal',
    SendReset: 'Closed',
  },
  HalfClosedLocal: {
    RecvHeaders: 'HalfClosedLocal',
    RecvHeadersEnd: 'Closed',
    RecvData: 'HalfClosedLocal',
    RecvDataEnd: 'Closed',
    RecvReset: 'Closed',
    RecvWindowUpdate: 'HalfClosedLocal',
    SendHeaders: 'conn 2',
    SendHeadersEnd: 'conn 2',
    SendData: 'conn 2',
    SendDataEnd: 'conn 2',
    SendReset: 'Closed',
  },
  HalfClosedRemote: {
    RecvHeaders: 'stream 5',
    RecvHeadersEnd: 'stream 5',
    RecvData: 'stream 5',
    RecvDataEnd: 'stream 5',
    RecvReset: 'Closed',
    RecvWindowUpdate: 'HalfClosedRemote',
    SendHeaders: 'HalfClosedRemote',
    SendHeadersEnd: 'Closed',
    SendData: 'HalfClosedRemote',
    SendDataEnd: 'Closed',
    SendReset: 'Closed',
  },
  Closed: {
    RecvHeaders: 'conn 5',
    RecvHeadersEnd: 'conn 5',
    RecvData: 'stream 5',
    RecvDataEnd: 'stream 5',
    RecvReset: 'Closed',
    RecvWindowUpdate: 'Closed',
    SendHeaders: 'conn 2',
    SendHeadersEnd: 'conn 2',
    SendData: 'conn 2',
    SendDataEnd: 'conn 2',
    SendReset: 'Closed',
  },
};

t.test('Streams', (t) => {
  for (const [stateName, state] of STATES) {
    t.test(`in state ${stateName} go where RFC 9113 says`, (t) => {
      for (const [eventName, event] of EVENTS) {
        const outcome = transition(state, event);
        const text = isError(outcome)
          ? `${isConnectionError(outcome) ? 'conn' : 'stream'} ${errorOf(outcome)}`
          : nameOf(outcome);
        t.equal(text, rows[stateName]![eventName], eventName);
      }
      t.end();
    });
  }
  t.test('never leave Closed, however the frames come', (t) => {
    for (const [, event] of EVENTS) {
      const outcome = transition(StreamState.Closed, event);
      t.ok(isError(outcome) || outcome === StreamState.Closed);
      if (isError(outcome))
        t.ok([ErrorCode.StreamClosed, ErrorCode.InternalError].includes(errorOf(outcome) as 2 | 5));
    }
    t.end();
  });
  t.end();
});
