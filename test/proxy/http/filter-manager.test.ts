// FilterManager: order, holding, releasing, bounds; filters are written out as scripts, the stream around them is a recorder.
import t from 'tap';

import { FilterManager } from '../../../proxy/http/filter-manager.ts';
import type { FilterManagerStream } from '../../../proxy/http/filter-handle.ts';
import { H } from '../../../proxy/http/headers.ts';
import { HeaderMap, RequestHeaders, ResponseHeaders } from '../../../proxy/http/header-map.ts';
import { FilterStatus } from '../../../proxy/http/http-filter.ts';
import type {
  FilterCallbacks,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
} from '../../../proxy/http/http-filter.ts';
import { localReplyHeaders } from '../../support/local-reply.ts';
import { streamInfo } from '../../support/route-samples.ts';

const { Continue, StopIteration, StopAndBuffer, Consumed } = FilterStatus;

/** Writes what passes it into the common journal; stops, buffers or takes where told, once each. */
class ScriptedFilter implements HttpFilter {
  readonly name: string;
  readonly journal: string[];
  readonly callbacks: FilterCallbacks;
  readonly stops: Set<string>;

  constructor(name: string, journal: string[], callbacks: FilterCallbacks, stops: Set<string>) {
    this.name = name;
    this.journal = journal;
    this.callbacks = callbacks;
    this.stops = stops;
  }

  #step(event: string, text: string): FilterStatus {
    this.journal.push(`${this.name} ${event}${text}`);
    const at = `${this.name} ${event}`;
    if (this.stops.delete(`${at} buffer`)) return StopAndBuffer;
    if (this.stops.delete(`${at} take`)) return Consumed;
    return this.stops.delete(at) ? StopIteration : Continue;
  }

  decodeHeaders(_headers: RequestHeaders, end: boolean): FilterStatus {
    return this.#step('>H', end ? '.' : '');
  }
  decodeData(chunk: Buffer, end: boolean): FilterStatus {
    return this.#step('>D', ` ${chunk.toString()}${end ? '.' : ''}`);
  }
  decodeTrailers(): FilterStatus {
    return this.#step('>T', '');
  }
  encodeHeaders(_headers: ResponseHeaders, end: boolean): FilterStatus {
    return this.#step('<H', end ? '.' : '');
  }
  encodeData(chunk: Buffer, end: boolean): FilterStatus {
    return this.#step('<D', ` ${chunk.toString()}${end ? '.' : ''}`);
  }
  encodeTrailers(): FilterStatus {
    return this.#step('<T', '');
  }
  onDestroy(): void {
    this.journal.push(`${this.name} gone`);
  }
}

class RecordedStream implements FilterManagerStream {
  readonly streamInfo = streamInfo();
  readonly route = null;
  readonly requestHeaders = new RequestHeaders();
  responseStarted = false;
  readonly requestComplete = true;
  readonly upgradeRequested = false;
  bufferLimitBytes = 10;
  readonly journal: string[] = [];
  readonly filters: ScriptedFilter[] = [];
  readonly manager: FilterManager;

  constructor(...stops: string[]) {
    const all = new Set(stops);
    this.manager = new FilterManager(this);
    const factories = ['a', 'b', 'c'].map((name): HttpFilterFactory => ({
      name,
      createFilter: (callbacks) => {
        const filter = new ScriptedFilter(name, this.journal, callbacks, all);
        this.filters.push(filter);
        return filter;
      },
    }));
    this.manager.createFilters(factories);
  }

  sendLocalReply(reply: LocalReply): void {
    this.journal.push(`reply ${reply.status} ${reply.details}`);
    if (this.responseStarted) {
      this.resetStream();
      return;
    }
    this.manager.abandonHeld();
    this.manager.encodeHeaders(localReplyHeaders(reply, false), false);
    this.manager.encodeData(Buffer.from(reply.body), true);
  }
  recreateStream(): boolean {
    return false;
  }
  resetStream(): void {
    this.journal.push('reset');
    this.manager.destroy();
  }
  requestReadDisable(disable: boolean): void {
    this.journal.push(disable ? 'pause' : 'resume');
  }
  setDownstreamWatermarkCallbacks(): void {}
  responseReadDisable(): void {}
  refreshRoute(): void {
    this.journal.push('route');
  }
  refuseLargeRequest(): void {
    this.journal.push('too large');
    this.manager.abandonHeld();
  }
  refuseLargeResponse(): void {
    this.sendLocalReply({
      status: 500,
      body: 'Internal Server Error',
      details: 'response_payload_too_large',
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    });
  }
  writeHeaders1xx(): void {}
  writeHeaders(headers: ResponseHeaders, end: boolean): void {
    this.responseStarted = true;
    this.journal.push(`out H ${headers.status}${end ? '.' : ''}`);
    if (end) this.manager.destroy();
  }
  writeData(chunk: Buffer, end: boolean): void {
    this.journal.push(`out D ${chunk.toString()}${end ? '.' : ''}`);
    if (end) this.manager.destroy();
  }
  writeTrailers(): void {
    this.journal.push('out T');
    this.manager.destroy();
  }

  /** What was written down since the last call. */
  take(): string[] {
    return this.journal.splice(0);
  }
}

/** A view that is overwritten when the call is over, as the read buffer is. */
function view(text: string, use: (chunk: Buffer) => void): void {
  const chunk = Buffer.from(text);
  use(chunk);
  chunk.fill('!');
}

function response(): ResponseHeaders {
  const headers = new ResponseHeaders();
  headers.status = 200;
  headers.push(H.server, 'x');
  return headers;
}

t.test('FilterManager', (t) => {
  t.test('goes down the chain with the request and up with the response', (t) => {
    const stream = new RecordedStream();
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    manager.decodeData(Buffer.from('x'), false);
    manager.decodeTrailers(new HeaderMap());
    t.same(stream.take(), [
      'a >H',
      'b >H',
      'c >H',
      'a >D x',
      'b >D x',
      'c >D x',
      'a >T',
      'b >T',
      'c >T',
    ]);
    manager.encodeHeaders(response(), false);
    manager.encodeData(Buffer.from('y'), true);
    t.same(stream.take(), [
      ...['c <H', 'b <H', 'a <H', 'out H 200', 'c <D y.', 'b <D y.', 'a <D y.', 'out D y.'],
      ...['a gone', 'b gone', 'c gone'],
    ]);
    t.end();
  });

  t.test('holds a request behind the filter that stopped; those before it see all of it', (t) => {
    const stream = new RecordedStream('b >H');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    view('one', (chunk) => manager.decodeData(chunk, false));
    view('two', (chunk) => manager.decodeData(chunk, false));
    manager.decodeTrailers(new HeaderMap());
    t.same(stream.take(), ['a >H', 'b >H', 'a >D one', 'a >D two', 'a >T']);
    manager.continueDecoding(0);
    t.same(stream.take(), []);
    manager.continueDecoding(1);
    t.same(stream.take(), ['c >H', 'c >D one', 'c >D two', 'c >T']);
    manager.continueDecoding(1);
    t.same(stream.take(), []);
    t.end();
  });

  t.test('keeps the end of a request with what was held', (t) => {
    for (const [body, expected] of [
      ['', ['c >H.']],
      ['x', ['c >H', 'c >D x.']],
    ] as const) {
      const stream = new RecordedStream('b >H');
      stream.manager.decodeHeaders(stream.requestHeaders, false);
      stream.manager.decodeData(Buffer.from(body), true);
      stream.take();
      stream.manager.continueDecoding(1);
      t.same(stream.take(), expected);
    }
    const alone = new RecordedStream('a >H');
    alone.manager.decodeHeaders(alone.requestHeaders, true);
    alone.manager.continueDecoding(0);
    t.same(alone.take(), ['a >H.', 'b >H.', 'c >H.']);
    t.end();
  });

  t.test('stops in several places without losing or reordering bytes', (t) => {
    const stream = new RecordedStream('a >H', 'b >D');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    for (const text of ['1', '2', '3']) view(text, (chunk) => manager.decodeData(chunk, false));
    manager.continueDecoding(0);
    t.same(stream.take(), ['a >H', 'b >H', 'c >H', 'b >D 1']);
    view('4', (chunk) => manager.decodeData(chunk, true));
    t.same(stream.take(), ['a >D 4.']);
    manager.continueDecoding(1);
    t.same(stream.take(), ['c >D 1', 'c >D 234.'], 'small pieces that wait become one');
    t.end();
  });

  t.test('pauses a client that sends more than may be held, and resumes it', (t) => {
    const stream = new RecordedStream('a >H');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    for (let i = 0; i < 4; i++) manager.decodeData(Buffer.from('12345'), false);
    t.same(stream.take(), ['a >H', 'pause']);
    manager.continueDecoding(0);
    t.equal(stream.take().at(-1), 'resume');
    t.end();
  });

  t.test('holds a response', (t) => {
    const stream = new RecordedStream('b <H');
    const { manager } = stream;
    manager.encodeHeaders(response(), false);
    view('12345', (chunk) => manager.encodeData(chunk, false));
    manager.encodeTrailers(new HeaderMap());
    t.same(stream.take(), ['c <H', 'b <H', 'c <D 12345', 'c <T']);
    manager.continueEncoding(1);
    t.same(stream.take().slice(0, 6), [
      'a <H',
      'out H 200',
      'a <D 12345',
      'out D 12345',
      'a <T',
      'out T',
    ]);
    t.end();
  });

  t.test('answers 500 when a response is too large to hold', (t) => {
    const stream = new RecordedStream('b <H');
    stream.manager.encodeHeaders(response(), false);
    stream.manager.encodeData(Buffer.from('1234567890'), false);
    stream.take();
    stream.manager.encodeData(Buffer.from('1'), false);
    t.same(stream.take().slice(1), [
      'reply 500 response_payload_too_large',
      'out H 500',
      'out D Internal Server Error.',
      ...['a gone', 'b gone', 'c gone'],
    ]);
    t.end();
  });

  t.test('cuts a response that had begun when the rest is too large to hold', (t) => {
    const stream = new RecordedStream('b <D');
    stream.manager.encodeHeaders(response(), false);
    stream.take();
    stream.manager.encodeData(Buffer.from('12345678901'), false);
    t.same(stream.take(), [
      'c <D 12345678901',
      'b <D 12345678901',
      'reply 500 response_payload_too_large',
      'reset',
      'a gone',
      'b gone',
      'c gone',
    ]);
    t.end();
  });

  t.test('forgets what is held when a reply of our own comes', (t) => {
    const stream = new RecordedStream('b >H');
    const reply: LocalReply = {
      status: 403,
      body: 'no',
      details: 'd',
      flag: undefined,
      grpcStatus: undefined,
      modifyHeaders: undefined,
    };
    stream.manager.decodeHeaders(stream.requestHeaders, false);
    stream.manager.decodeData(Buffer.from('x'), false);
    stream.take();
    stream.filters[1]!.callbacks.sendLocalReply(reply);
    stream.filters[1]!.callbacks.continueDecoding();
    stream.manager.decodeData(Buffer.from('y'), true);
    t.same(
      stream.take().filter((line) => line.includes('>') || line.startsWith('out')),
      ['out H 403', 'out D no.'],
    );
    t.end();
  });

  t.test('calls nobody once destroyed', (t) => {
    const stream = new RecordedStream('b >H', 'b <H');
    stream.manager.decodeHeaders(stream.requestHeaders, false);
    stream.manager.encodeHeaders(response(), false);
    stream.manager.destroy();
    stream.manager.destroy();
    stream.take();
    for (const filter of stream.filters) {
      filter.callbacks.continueDecoding();
      filter.callbacks.continueEncoding();
    }
    t.same(stream.take(), []);
    t.end();
  });

  t.test('shows what it buffers to the filter that asked for it', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D buffer');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    view('one', (chunk) => manager.decodeData(chunk, false));
    t.same(stream.take(), ['a >H', 'b >H', 'a >D one', 'b >D one']);
    t.same(stream.filters[1]!.callbacks.heldRequestBody().map(String), ['one']);
    view('two', (chunk) => manager.decodeData(chunk, false));
    t.same(stream.take(), ['a >D two', 'b >D two', 'c >H', 'c >D one', 'c >D two']);
    manager.decodeData(Buffer.from('3'), true);
    t.same(stream.take(), ['a >D 3.', 'b >D 3.', 'c >D 3.']);
    t.end();
  });

  t.test('holds the rest unseen once the filter has seen enough', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    for (const text of ['one', 'two', 'three', 'four'])
      view(text, (chunk) => manager.decodeData(chunk, text === 'four'));
    const seen = stream.take();
    t.notOk(seen.includes('b >D two'));
    t.ok(seen.includes('pause'), 'beyond the limit the client waits');
    manager.continueDecoding(1);
    t.same(stream.take().slice(0, 3), ['c >H', 'c >D one', 'c >D twothreefour.']);
    t.end();
  });

  t.test('lets a buffered request go at its trailers', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D buffer');
    stream.manager.decodeHeaders(stream.requestHeaders, false);
    view('one', (chunk) => stream.manager.decodeData(chunk, false));
    stream.take();
    stream.manager.decodeTrailers(new HeaderMap());
    t.same(stream.take(), ['a >T', 'b >T', 'c >H', 'c >D one', 'c >T']);
    t.end();
  });

  t.test('refuses more than a filter may buffer', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D buffer');
    stream.manager.decodeHeaders(stream.requestHeaders, false);
    stream.manager.decodeData(Buffer.from('12345678901'), true);
    t.same(stream.take(), ['a >H', 'b >H', 'a >D 12345678901.', 'b >D 12345678901.', 'too large']);
    t.end();
  });

  t.test('lets a filter take response bytes and give them back later', (t) => {
    const stream = new RecordedStream('b <D take');
    stream.manager.encodeHeaders(response(), false);
    stream.take();
    stream.manager.encodeData(Buffer.from('12'), true);
    t.same(stream.take(), ['c <D 12.', 'b <D 12.']);
    const { callbacks } = stream.filters[1]!;
    callbacks.injectEncodedData(Buffer.from('1'), false);
    callbacks.injectEncodedData(Buffer.from('2'), true);
    t.same(stream.take().slice(0, 4), ['a <D 1', 'out D 1', 'a <D 2.', 'out D 2.']);
    callbacks.injectEncodedData(Buffer.from('3'), true);
    t.same(stream.take(), [], 'nothing after the end');
    t.end();
  });

  t.test('lets a filter take request bytes and send others on', (t) => {
    const stream = new RecordedStream('b >D take', 'b >T');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    stream.take();
    manager.decodeData(Buffer.from('12'), true);
    t.same(stream.take(), ['a >D 12.', 'b >D 12.']);
    stream.filters[1]!.callbacks.injectDecodedData(Buffer.from('1'), false);
    stream.filters[1]!.callbacks.injectDecodedData(Buffer.from('2'), true);
    t.same(stream.take(), ['c >D 1', 'c >D 2.']);
    t.end();
  });

  t.test('keeps nothing of what a filter takes while it holds the headers', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D take');
    const { manager } = stream;
    manager.decodeHeaders(stream.requestHeaders, false);
    manager.decodeData(Buffer.from('far more than the limit'), false);
    t.same(stream.filters[1]!.callbacks.heldRequestBody(), []);
    stream.take();
    manager.decodeData(Buffer.from('x'), true);
    t.same(stream.take(), ['a >D x.', 'b >D x.', 'c >H', 'c >D x.']);
    t.end();
  });

  t.test('lets a filter watch the answer it holds', (t) => {
    const rows: readonly [name: string, stops: string[], trailers: boolean, after: string[]][] = [
      ['what it lets through is held', ['b <D buffer'], true, ['a <H', 'a <D x', 'a <D y', 'a <T']],
      ['what it takes is gone', ['b <D take'], true, ['a <H', 'a <D y', 'a <T']],
      [
        'trailers that it takes are gone',
        ['b <D buffer', 'b <T take'],
        true,
        ['a <H', 'a <D x', 'a <D y.'],
      ],
      ['the last part lets it go', ['b <D buffer'], false, ['a <H', 'a <D x', 'a <D y.']],
    ];
    for (const [name, stops, withTrailers, after] of rows) {
      const stream = new RecordedStream('b <H buffer', ...stops);
      const { manager } = stream;
      manager.encodeHeaders(response(), false);
      manager.encodeData(Buffer.from('x'), false);
      if (withTrailers) stream.filters[1]!.stops.add('b <D buffer');
      manager.encodeData(Buffer.from('y'), !withTrailers);
      if (withTrailers) manager.encodeTrailers(new HeaderMap());
      const passed = stream.take().filter((line) => line.startsWith('a <'));
      t.same(passed, after, name);
    }
    const all = new RecordedStream('b <H buffer', 'b <D take');
    all.manager.encodeHeaders(response(), false);
    all.manager.encodeData(Buffer.from('x'), true);
    t.same(
      all.take().filter((line) => line.startsWith('a <')),
      ['a <H.'],
      'an answer whose whole body was taken is its headers',
    );
    t.end();
  });

  t.test('takes a limit from a filter in place of the stream', (t) => {
    const stream = new RecordedStream('b >H buffer', 'b >D buffer');
    const { callbacks } = stream.filters[1]!;
    t.equal(callbacks.bufferLimitBytes, 10);
    callbacks.setBufferLimit(12);
    t.equal(stream.filters[0]!.callbacks.bufferLimitBytes, 12);
    stream.manager.decodeHeaders(stream.requestHeaders, false);
    stream.manager.decodeData(Buffer.from('123456789012'), false);
    t.notOk(stream.take().includes('too large'));
    stream.manager.decodeData(Buffer.from('3'), true);
    t.same(stream.take(), ['a >D 3.', 'b >D 3.', 'too large'], 'with the last bytes, too');
    t.end();
  });

  t.test('makes the filters behind the one that changed the route anew', (t) => {
    const stream = new RecordedStream('b >H');
    stream.manager.decodeHeaders(stream.requestHeaders, true);
    stream.take();
    stream.filters[1]!.callbacks.clearRouteCache();
    t.same(stream.take(), ['route', 'c gone']);
    t.equal(stream.filters.length, 4);
    stream.manager.continueDecoding(1);
    t.same(stream.take(), ['c >H.']);
    stream.filters[0]!.callbacks.clearRouteCache();
    t.same(stream.take(), ['route'], 'not those that have seen the request');
    t.end();
  });
  t.end();
});
