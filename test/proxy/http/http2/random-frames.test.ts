// Random frames, cut at random places, against a server whose users answer, stall and give up at random: whatever comes, each
// stream tells its user a legal story, our frames keep to RFC 9113, and nothing grows. A failing seed is in the message.
import process from 'node:process';
import t from 'tap';

import { SeededRandom } from '../../../../proxy/base/random.ts';
import { StreamResetReason } from '../../../../proxy/http/codec.ts';
import {
  END_HEADERS,
  END_STREAM,
  GET,
  PADDED,
  POST,
  PREFACE,
  block,
  continuation,
  data,
  frame,
  goAway,
  headers,
  ping,
  priority,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from '../../../support/http2-frames.ts';
import type { Lines } from '../../../support/http2-frames.ts';
import { ServerSide } from '../../../support/http2-server-side.ts';
import type { Exchange } from '../../../support/http2-server-side.ts';

t.setTimeout(120_000);

const ROUNDS = Number(process.env['HTTP2_ROUNDS'] ?? 300);
const FRAMES = 60;
const BUFFER_LIMIT = 20_000;

const HEADS: readonly Lines[] = [
  GET,
  POST,
  POST,
  [...POST, ['content-length', '3']],
  [...GET, ['connection', 'close']],
  [...GET, ['cookie', 'a=1'], ['cookie', 'b=2']],
  [['a', 'b']],
  [],
  [...GET, ['a', 'b'.repeat(3000)]],
];

class Client {
  readonly random: SeededRandom;
  #lastStream = -1;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  below(limit: number): number {
    return this.random.nextUint32() % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Mostly one that was opened. */
  #stream(): number {
    if (this.below(40) === 0) return this.below(200);
    return Math.max(1, 2 * this.below(Math.max(1, (this.#lastStream + 1) / 2)) + 1);
  }

  #request(): Buffer {
    this.#lastStream += 2;
    const lines = this.pick(this.below(4) === 0 ? HEADS : HEADS.slice(0, 4));
    const end = lines === GET || this.below(3) === 0 ? END_STREAM : 0;
    if (this.below(5) > 0) return headers(this.#lastStream, lines, end | END_HEADERS);
    const whole = block(lines);
    const cut = this.below(whole.length + 1);
    return Buffer.concat([
      headers(this.#lastStream, whole.subarray(0, cut), end),
      continuation(this.#lastStream, whole.subarray(cut)),
    ]);
  }

  #data(): Buffer {
    const id = this.#stream();
    const body = 'x'.repeat(this.below(4) === 0 ? this.below(16_000) : this.below(20));
    const end = this.below(4) === 0 ? END_STREAM : 0;
    if (this.below(6) > 0) return data(id, body, end);
    const padding = this.below(30);
    return frame(
      0,
      end | PADDED,
      id,
      Buffer.concat([Buffer.from([padding]), Buffer.from(body), Buffer.alloc(padding)]),
    );
  }

  next(): Buffer {
    switch (this.below(16)) {
      case 0:
        return reset(this.#stream(), this.below(14));
      case 1:
        return windowUpdate(this.below(2) * this.#stream(), this.below(50_000));
      case 2:
        return this.pick([
          ping(),
          settings(4, this.below(70_000)),
          settings(1, this.below(5000)),
          priority(this.#stream()),
          goAway(0),
          settingsAck(),
        ]);
      case 3:
        return headers(this.#stream(), this.pick([[['t', 'v']], []] as readonly Lines[]), 5);
      case 4:
        // What is no frame at all, now and then.
        if (this.below(12) > 0) return frame(0x4d, 0, this.#stream(), 'metadata');
        return frame(this.below(12), this.below(256), this.#stream(), 'r'.repeat(this.below(20)));
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        return this.#data();
      default:
        return this.#request();
    }
  }
}

interface User {
  readonly started: Set<number>;
  readonly ended: Set<number>;
}

/** What the user of one stream does when it is asked. */
function use(exchange: Exchange, client: Client, user: User): void {
  const { stream } = exchange;
  const { started, ended } = user;
  if (!stream.open || ended.has(stream.id)) return;
  if (!started.has(stream.id)) {
    if (client.below(2) === 0) return;
    started.add(stream.id);
    const end = client.below(4) === 0;
    if (end) ended.add(stream.id);
    exchange.answer(200, end, [['a', 'b']]);
    return;
  }
  switch (client.below(6)) {
    case 0:
      stream.resetStream(StreamResetReason.LocalReset);
      return;
    case 1:
      stream.readDisable(true);
      stream.readDisable(false);
      return;
    case 2:
      ended.add(stream.id);
      stream.encodeData(Buffer.alloc(0), true);
      return;
    default:
      stream.encodeData(Buffer.alloc(client.below(40_000)), false);
  }
}

/** Null, or what is wrong with the story the user of `id` was told. */
function badStory(events: readonly string[]): string | null {
  let state = 'new';
  for (const event of events) {
    const text = event.slice(event.indexOf(' ') + 1);
    if (text === 'above' || text === 'below') continue;
    if (state === 'over') return `'${text}' after the end`;
    if (text.startsWith('reset:')) state = 'over';
    else if (text.startsWith('data') || text.startsWith('trailers')) {
      if (state !== 'body') return `'${text.slice(0, 40)}' in state ${state}`;
      if (text.endsWith(' end') || text.startsWith('trailers')) state = 'ended';
    } else if (state === 'new') state = text.endsWith(' end') ? 'ended' : 'body';
    else return `headers again: ${text.slice(0, 40)}`;
  }
  return null;
}

/** Null, or what is wrong with the frames we sent. */
function badAnswers(lines: readonly string[]): string | null {
  const ended = new Set<string>();
  const begun = new Set<string>();
  for (const line of lines) {
    const [kind, id = ''] = line.split(' ');
    if (line.includes('undecodable')) return line;
    if (kind === 'HEADERS') begun.add(id);
    if (kind === 'DATA' && !begun.has(id)) return `${line} without HEADERS`;
    if ((kind === 'HEADERS' || kind === 'DATA') && ended.has(id)) return `${line} after the end`;
    if ((kind === 'HEADERS' || kind === 'DATA') && line.endsWith(' end')) ended.add(id);
    // RST_STREAM may follow the end of an answer, and answer frames for a stream that is over; then no more comes.
    if (kind === 'RST') ended.add(id);
  }
  const goAways = lines.filter((line) => line.startsWith('GOAWAY'));
  return goAways.length > 1 || (goAways.length === 1 && !lines.at(-1)!.startsWith('GOAWAY'))
    ? `frames behind GOAWAY: ${lines.slice(-3).join(', ')}`
    : null;
}

async function play(
  t: Parameters<typeof ServerSide.start>[0],
  seed: number,
): Promise<string | null> {
  const client = new Client(new SeededRandom(seed));
  const side = await ServerSide.start(t, {
    http2: { streamErrorOnInvalidMessage: client.below(2) === 0, maxConcurrentStreams: 20 },
    limits: { maxBytes: 2000, maxCount: 20 },
    bufferLimitBytes: BUFFER_LIMIT,
  });
  // As the connection manager does.
  side.onLost = () => side.codec.killStreams(StreamResetReason.ProtocolError, 'connection');
  const user: User = { started: new Set(), ended: new Set() };
  let bytes = Buffer.concat([Buffer.from(PREFACE), settings(), settingsAck()]);
  for (let i = 0; i < FRAMES; i++) bytes = Buffer.concat([bytes, client.next()]);
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + client.below(client.below(3) === 0 ? 20_000 : 40));
    const chunk = Buffer.from(bytes.subarray(at, end));
    side.pair.io.enter();
    side.codec.dispatch(chunk);
    chunk.fill(0xee);
    if (side.exchanges.length > 0 && client.below(3) === 0)
      use(client.pick(side.exchanges), client, user);
    side.pair.io.leave();
    at = end;
  }
  await side.settled();
  const pending = side.store.value(side.store.gauge('http2.pending_send_bytes'));
  if (pending > 21 * (BUFFER_LIMIT + 40_000)) return `${pending} bytes wait`;
  if (side.codec.streamCount > 20) return `${side.codec.streamCount} streams`;
  side.codec.killStreams(StreamResetReason.ConnectionTermination, 'over');
  if (side.store.value(side.store.gauge('http2.streams_active')) !== 0) return 'streams are left';
  if (side.store.value(side.store.gauge('http2.pending_send_bytes')) !== 0) return 'bytes are left';
  for (const { stream } of side.exchanges) {
    const bad = badStory(side.events.filter((event) => event.startsWith(`${stream.id} `)));
    if (bad !== null) return `stream ${stream.id}: ${bad}`;
  }
  const answers = badAnswers(side.log.answers);
  side.pair.peer.destroy();
  side.pair.connection.close('no_flush');
  return answers;
}

t.test(`${ROUNDS} random conversations`, async (t) => {
  let survived = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const bad = await play(t, seed);
    if (bad !== null) t.fail(`seed ${seed}: ${bad}`);
    else survived++;
  }
  t.equal(survived, ROUNDS);
});
