// [w] The router filter under random events: whatever clients, upstreams and clocks do, there is one answer, and nothing is left behind.
import t from 'tap';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { StreamResetReason } from '../../../proxy/http/codec.ts';
import type { HttpFilter } from '../../../proxy/http/http-filter.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import type { ScriptedClient, ScriptedStream } from '../../support/router-harness.ts';
import { response, retryPolicy } from '../../support/route-samples.ts';

const SEEDS = 3000;
const EVENTS = 40;

class Dice {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }

  maybe(): boolean {
    return this.below(2) === 0;
  }
}

function harnessFor(dice: Dice): RouterHarness {
  const policy = retryPolicy(dice.one([['5xx'], ['connect-failure'], ['5xx', 'reset'], []]), {
    numRetries: dice.below(4),
    perTryTimeoutMs: dice.one([undefined, 20, 100]),
    perTryIdleTimeoutMs: dice.one([undefined, undefined, 50]),
    hostPredicates: dice.maybe() ? [{ kind: 'previous_hosts' }] : [],
  });
  const redirects = {
    maxInternalRedirects: 1,
    statusCodes: [302],
    allowCrossScheme: false,
    predicates: [],
    responseHeadersToCopy: [],
  };
  const harness = new RouterHarness({
    action: {
      timeoutMs: dice.one([0, 60, 300]),
      retryPolicy: dice.maybe() ? policy : undefined,
      hedgeOnPerTryTimeout: dice.maybe(),
      internalRedirect: dice.below(3) === 0 ? redirects : undefined,
      mirrors: dice.below(4) === 0 ? [MIRROR] : [],
      guardReplays: dice.below(4) === 0,
    },
    bufferLimitBytes: dice.one([4, 1000]),
  });
  harness.backend.connected = dice.maybe();
  return harness;
}

const MIRROR = { cluster: 'mirror', fraction: undefined, disableShadowHostSuffixAppend: false };

/** What an upstream may still do on a stream, by the contract of codecs. */
type Phase = 'waiting' | 'open' | 'answering' | 'over';

class World {
  readonly dice: Dice;
  readonly harness: RouterHarness;
  readonly client: ScriptedClient;
  readonly filter: HttpFilter;
  readonly #phases = new Map<ScriptedStream, Phase>();
  #requestOpen: boolean;
  #gone = false;

  constructor(seed: number) {
    this.dice = new Dice(seed);
    this.harness = harnessFor(this.dice);
    this.#requestOpen = this.dice.maybe();
    const method = this.#requestOpen ? 'POST' : 'GET';
    const { client, filter } = this.harness.send([[':method', method]], !this.#requestOpen);
    this.client = client;
    this.filter = filter;
  }

  /** The client has what it gets: the connection manager destroys the filters then. */
  get answered(): boolean {
    return this.client.seen.some((line) => /end$|^reply|^reset|^recreated/.test(line));
  }

  step(): void {
    if (this.answered) this.leave();
    const { dice } = this;
    const roll = dice.below(10);
    if (roll < 2) this.#clientSends();
    else if (roll < 4) this.harness.time.advance(dice.one([1, 5, 25, 110, 400]));
    else if (roll === 4 && dice.below(20) === 0) this.leave();
    else this.#upstreamActs();
  }

  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.filter.onDestroy();
  }

  #clientSends(): void {
    if (!this.#requestOpen || this.#gone) return;
    const end = this.dice.below(3) === 0;
    this.#requestOpen = !end;
    this.filter.decodeData(Buffer.from('x'.repeat(this.dice.below(4))), end);
  }

  #upstreamActs(): void {
    const streams = [...this.harness.backend.streams, ...this.harness.mirror.streams];
    if (streams.length === 0) return;
    const stream = this.dice.one(streams);
    const phase = this.#phaseOf(stream);
    if (phase === 'waiting') this.#pool(stream);
    else if (phase === 'open') this.#answer(stream);
    else if (phase === 'answering') this.#goOn(stream);
  }

  #phaseOf(stream: ScriptedStream): Phase {
    if (stream.reset || stream.cancelled) return 'over';
    const known = this.#phases.get(stream);
    if (known !== undefined) return known;
    return stream.headers === null ? 'waiting' : 'open';
  }

  #pool(stream: ScriptedStream): void {
    if (this.dice.below(3) > 0) {
      this.#phases.set(stream, 'open');
      stream.ready();
      return;
    }
    this.#phases.set(stream, 'over');
    stream.fail(this.dice.one(['remote connection failure', 'overflow', 'connection timeout']));
  }

  #answer(stream: ScriptedStream): void {
    const { dice } = this;
    const roll = dice.below(8);
    if (roll === 0) this.#break(stream);
    else if (roll === 1) stream.respond1xx(response(103));
    else {
      const end = dice.maybe();
      this.#phases.set(stream, end ? 'over' : 'answering');
      const status = dice.one([200, 200, 302, 404, 425, 500, 503]);
      stream.respond(response(status, [['location', 'http://b/new']]), end);
    }
  }

  #goOn(stream: ScriptedStream): void {
    if (this.dice.below(4) === 0) {
      this.#break(stream);
      return;
    }
    const end = this.dice.maybe();
    if (end) this.#phases.set(stream, 'over');
    stream.respondData('y', end);
  }

  #break(stream: ScriptedStream): void {
    this.#phases.set(stream, 'over');
    stream.die(
      this.dice.one([
        StreamResetReason.ConnectionTermination,
        StreamResetReason.RemoteReset,
        StreamResetReason.RemoteRefusedStreamReset,
        StreamResetReason.ProtocolError,
      ]),
    );
  }

  /** What must hold when all is over; '' when it does. */
  problem(): string {
    const { client, harness } = this;
    const { seen } = client;
    const heads = seen.filter((line) => /^[2-5]\d\d( end)?$|^reply /.test(line)).length;
    const finals = seen.filter((line) => /end$|^reply|^reset|^recreated/.test(line)).length;
    const followed = seen.some((line) => line.startsWith('recreated'));
    if (heads > 1 || finals > 1 || (followed && heads > 0)) return `answers: ${seen.join(', ')}`;
    if (client.readDisables !== 0 && !this.#gone) return `paused ${client.readDisables}`;
    if (harness.backend.resources().retries.count !== 0) return 'a retry holds its place';
    const left = harness.backend.streams.filter(
      (stream) => !stream.reset && !stream.cancelled && this.#phaseOf(stream) !== 'over',
    );
    if (left.length > 0) return `${left.length} attempts are left`;
    // A shadow lives by itself, up to its time-out.
    const shadows = harness.mirror.streams.length;
    if (harness.timers.size > shadows) return `${harness.timers.size} timers are left`;
    return '';
  }
}

t.test('RouterFilter, whatever happens', async (t) => {
  t.test('answers once and leaves nothing', async (t) => {
    const kinds = new Map<string, number>();
    for (let seed = 0; seed < SEEDS; seed++) {
      const world = new World(seed);
      for (let i = 0; i < EVENTS; i++) world.step();
      world.leave();
      const problem = world.problem();
      if (problem !== '') t.fail(`seed ${seed}: ${problem}`);
      const { attemptCount } = world.client.streamInfo;
      const last = world.client.seen.at(-1) ?? 'nothing';
      const kind = `${last.replace(/ with .*| after .*/, '').slice(0, 9)} after ${attemptCount}`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    // The dice reach what they are thrown for.
    for (const kind of [
      '200 end after 1',
      '200 end after 2',
      'reply 504 after 2',
      'recreated after 1',
    ])
      t.ok((kinds.get(kind) ?? 0) > 0, `${kind}: ${kinds.get(kind)} times`);
  });
});
