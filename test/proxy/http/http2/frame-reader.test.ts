// Frames off the wire: every size and order rule as a row, each cut at every byte.
import t from 'tap';

import { FrameReader } from '../../../../proxy/http/http2/frame-reader.ts';
import type { FrameHandler } from '../../../../proxy/http/http2/frame-reader.ts';
import {
  END_HEADERS,
  END_STREAM,
  PADDED,
  continuation,
  data,
  frame,
  goAway,
  headers,
  ping,
  priority,
  reset,
  settings,
  windowUpdate,
} from '../../../support/http2-frames.ts';

const NAMES = 'DATA HEADERS PRIORITY RST SETTINGS PUSH PING GOAWAY WINDOW CONTINUATION'.split(' ');

class Log implements FrameHandler {
  readonly events: string[] = [];
  readonly reader = new FrameReader(this);
  #body = '';

  onDataHead(): void {
    this.#body = '';
  }
  onDataBytes(chunk: Buffer, last: boolean): void {
    this.#body += chunk.toString('latin1');
    if (!last) return;
    const { streamId, flags, padBytes } = this.reader;
    this.events.push(
      `DATA ${streamId} '${this.#body}'${(flags & END_STREAM) !== 0 ? ' end' : ''}${padBytes > 0 ? ` padding ${padBytes}` : ''}`,
    );
  }
  onFrame(bytes: Buffer, start: number, end: number): void {
    const { type, streamId } = this.reader;
    this.events.push(`${NAMES[type]} ${streamId} ${bytes.toString('latin1', start, end).length}`);
  }
  onFrameError(code: number, details: string): void {
    this.events.push(`error ${code} ${details}`);
  }
  onStreamSizeError(streamId: number): void {
    this.events.push(`stream error ${streamId}`);
  }
}

function read(bytes: Buffer, cuts: readonly number[]): readonly string[] {
  const log = new Log();
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    // A copy: as in a read buffer, nothing of a chunk may be used after the call.
    const chunk = Buffer.from(bytes.subarray(from, to));
    log.reader.dispatch(chunk);
    chunk.fill(0xee);
    from = to;
  }
  return log.events;
}

const padded = (length: number, body: string, padding: number): Buffer =>
  frame(
    0,
    PADDED | END_STREAM,
    1,
    Buffer.concat([Buffer.from([length]), Buffer.from(body), Buffer.alloc(padding)]),
  );

const rows: readonly [what: string, bytes: readonly Buffer[], events: readonly string[]][] = [
  ['DATA', [data(1, 'hello')], ["DATA 1 'hello'"]],
  ['DATA that ends its stream', [data(1, 'hello', END_STREAM)], ["DATA 1 'hello' end"]],
  ['empty DATA', [data(1, '', END_STREAM)], ["DATA 1 '' end"]],
  ['two frames of DATA', [data(1, 'a'), data(3, 'b')], ["DATA 1 'a'", "DATA 3 'b'"]],
  ['padded DATA', [padded(4, 'hello', 4)], ["DATA 1 'hello' end padding 5"]],
  ['DATA with a padding length of 0', [padded(0, 'hello', 0)], ["DATA 1 'hello' end padding 1"]],
  ['DATA of padding only', [padded(5, '', 5)], ["DATA 1 '' end padding 6"]],
  [
    'padded DATA and what follows',
    [padded(2, 'hi', 2), ping()],
    ["DATA 1 'hi' end padding 3", 'PING 0 8'],
  ],
  ['a header block in one frame', [headers(1, Buffer.from('ab'))], ['HEADERS 1 2']],
  [
    'a header block in three',
    [
      headers(1, Buffer.from('ab'), 0),
      continuation(1, Buffer.from('cd'), 0),
      continuation(1, Buffer.from('e')),
    ],
    ['HEADERS 1 2', 'CONTINUATION 1 2', 'CONTINUATION 1 1'],
  ],
  ['empty HEADERS', [headers(1, Buffer.alloc(0))], ['HEADERS 1 0']],
  [
    'the small ones',
    [priority(3), reset(1), settings(1, 2), ping(), goAway(7), windowUpdate(0, 1)],
    ['PRIORITY 3 5', 'RST 1 4', 'SETTINGS 0 6', 'PING 0 8', 'GOAWAY 0 8', 'WINDOW 0 4'],
  ],
  ['GOAWAY with debug data', [frame(7, 0, 0, 'x'.repeat(40))], ['GOAWAY 0 40']],
  [
    'empty SETTINGS and an acknowledgement',
    [settings(), frame(4, 1, 0)],
    ['SETTINGS 0 0', 'SETTINGS 0 0'],
  ],
  [
    'frames of unknown types, skipped',
    [frame(0x4d, 0xff, 9, 'metadata'), frame(0xff, 0, 0), ping()],
    ['PING 0 8'],
  ],
  ['the reserved bit of a stream, ignored', [frame(6, 0, 0x8000_0000, '12345678')], ['PING 0 8']],
  ['flags without meaning, ignored', [frame(8, 0xff, 1, '1234')], ['WINDOW 1 4']],
  // Broken.
  ['a frame larger than 16384', [frame(0, 0, 1, '', 16_385)], ['error 6 http2.frame_size']],
  [
    'an unknown frame larger than 16384',
    [frame(0x4d, 0, 1, '', 16_385)],
    ['error 6 http2.frame_size'],
  ],
  ['DATA on stream 0', [data(0, 'x')], ['error 1 http2.data_on_connection']],
  ['padding longer than the frame', [padded(9, 'hello', 0)], ['error 1 http2.padding']],
  ['padding as long as the frame', [padded(6, 'hello', 0)], ['error 1 http2.padding']],
  ['padded DATA without a byte', [frame(0, PADDED, 1)], ['error 6 http2.padding']],
  ['HEADERS on stream 0', [headers(0, Buffer.from('a'))], ['error 1 http2.headers_on_connection']],
  ['PRIORITY on stream 0', [priority(0)], ['error 1 http2.priority_on_connection']],
  [
    'PRIORITY of 4 bytes, and what follows',
    [frame(2, 0, 3, 'abcd'), ping()],
    ['stream error 3', 'PING 0 8'],
  ],
  ['empty PRIORITY', [frame(2, 0, 3), ping()], ['stream error 3', 'PING 0 8']],
  ['RST_STREAM on stream 0', [reset(0)], ['error 1 http2.reset_on_connection']],
  ['RST_STREAM of 3 bytes', [frame(3, 0, 1, 'abc')], ['error 6 http2.frame_size']],
  ['RST_STREAM of 5 bytes', [frame(3, 0, 1, 'abcde')], ['error 6 http2.frame_size']],
  ['SETTINGS of 5 bytes', [frame(4, 0, 0, 'abcde')], ['error 6 http2.frame_size']],
  ['an acknowledgement with settings', [frame(4, 1, 0, 'abcdef')], ['error 6 http2.frame_size']],
  ['SETTINGS on a stream', [frame(4, 0, 1)], ['error 1 http2.connection_frame_on_stream']],
  ['PUSH_PROMISE', [frame(5, 4, 1, 'abcd')], ['error 1 http2.push_promise']],
  ['PING on a stream', [frame(6, 0, 1, '12345678')], ['error 1 http2.connection_frame_on_stream']],
  ['PING of 7 bytes', [frame(6, 0, 0, '1234567')], ['error 6 http2.frame_size']],
  [
    'GOAWAY on a stream',
    [frame(7, 0, 1, '12345678')],
    ['error 1 http2.connection_frame_on_stream'],
  ],
  ['GOAWAY of 7 bytes', [frame(7, 0, 0, '1234567')], ['error 6 http2.frame_size']],
  ['WINDOW_UPDATE of 3 bytes', [frame(8, 0, 0, 'abc')], ['error 6 http2.frame_size']],
  [
    'CONTINUATION out of nowhere',
    [continuation(1, Buffer.from('a'))],
    ['error 1 http2.unexpected_continuation'],
  ],
  [
    'CONTINUATION behind a complete block',
    [headers(1, Buffer.from('a')), continuation(1, Buffer.from('a'))],
    ['HEADERS 1 1', 'error 1 http2.unexpected_continuation'],
  ],
  [
    'CONTINUATION on another stream',
    [headers(1, Buffer.from('a'), 0), continuation(3, Buffer.from('a'))],
    ['HEADERS 1 1', 'error 1 http2.header_block_interrupted'],
  ],
  [
    'DATA inside a header block',
    [headers(1, Buffer.from('a'), 0), data(1, 'x')],
    ['HEADERS 1 1', 'error 1 http2.header_block_interrupted'],
  ],
  [
    'HEADERS inside a header block',
    [headers(1, Buffer.from('a'), 0), headers(3, Buffer.from('b'))],
    ['HEADERS 1 1', 'error 1 http2.header_block_interrupted'],
  ],
  [
    'an unknown frame inside a header block',
    [headers(1, Buffer.from('a'), 0), frame(0x4d, 0, 1, 'm')],
    ['HEADERS 1 1', 'error 1 http2.header_block_interrupted'],
  ],
  [
    'PING inside a header block',
    [headers(1, Buffer.from('a'), 0), ping()],
    ['HEADERS 1 1', 'error 1 http2.header_block_interrupted'],
  ],
];

t.test('FrameReader', (t) => {
  for (const [what, frames, events] of rows) {
    t.test(`reads ${what}, cut anywhere`, (t) => {
      const bytes = Buffer.concat(frames);
      t.strictSame(read(bytes, []), events);
      for (let cut = 1; cut < bytes.length; cut++) {
        const got = read(bytes, [cut]);
        if (got.join() !== events.join()) t.strictSame(got, events, `cut at ${cut}`);
      }
      const everywhere = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1);
      t.strictSame(read(bytes, everywhere), events, 'byte by byte');
      t.end();
    });
  }
  t.test('reads nothing behind an error', (t) => {
    t.strictSame(read(Buffer.concat([data(0, 'x'), ping()]), []), [
      'error 1 http2.data_on_connection',
    ]);
    t.end();
  });
  t.test('reads nothing once it was stopped, within a call or between two', (t) => {
    const log = new Log();
    log.onFrame = () => {
      log.events.push('stop');
      log.reader.stop();
    };
    log.reader.dispatch(Buffer.concat([ping(), ping(), data(1, 'x')]));
    log.reader.dispatch(ping());
    t.strictSame(log.events, ['stop']);
    t.end();
  });
  t.test('knows that a header block is under way', (t) => {
    const log = new Log();
    log.reader.dispatch(headers(1, Buffer.from('a'), 0));
    t.equal(log.reader.midway, true);
    log.reader.dispatch(continuation(1, Buffer.from('a'), END_HEADERS));
    t.equal(log.reader.midway, false);
    log.reader.dispatch(headers(3, Buffer.from('abc')).subarray(0, 11));
    t.equal(log.reader.midway, true, 'cut inside HEADERS');
    t.end();
  });
  t.end();
});
