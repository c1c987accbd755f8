// Requests at random moments: bursts with gaps between them, a share of them POST, with what became of each kind.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface OpenLoad {
  readonly port: number;
  readonly perSecond: number;
  readonly durationMs: number;
  /** 0 to 1. */
  readonly postShare: number;
}

export interface OpenLoadResult {
  readonly gets: number;
  readonly posts: number;
  readonly failedGets: number;
  readonly failedPosts: number;
  /** `GET 503 upstream connect error …`: how often. */
  readonly failures: Readonly<Record<string, number>>;
}

const BODY = 'b'.repeat(200);
const LAST_ANSWER_MS = 3_000;
const FAILURE_TEXT_BYTES = 120;

/** Two hundred requests a burst on average, about a millisecond apart. */
const IN_BURST = 0.995;
const BURST_GAP_MS = 1;

const exponential = (mean: number): number => -Math.log(1 - Math.random()) * mean;

function gapMs(perSecond: number): number {
  if (Math.random() < IN_BURST) return exponential(BURST_GAP_MS);
  return exponential((1_000 / perSecond - IN_BURST * BURST_GAP_MS) / (1 - IN_BURST));
}

export class OpenLoadRun {
  readonly #load: OpenLoad;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #failures = new Map<string, number>();
  readonly #sent = { GET: 0, POST: 0 };
  readonly #failed = { GET: 0, POST: 0 };

  constructor(load: OpenLoad) {
    this.#load = load;
  }

  async run(): Promise<OpenLoadResult> {
    const { perSecond, durationMs } = this.#load;
    const startMs = performance.now();
    let dueMs = 0;
    for (;;) {
      dueMs += gapMs(perSecond);
      if (dueMs > durationMs) break;
      const waitMs = dueMs - (performance.now() - startMs);
      if (waitMs > 0.5) await sleep(waitMs);
      this.#send();
    }
    await sleep(LAST_ANSWER_MS);
    this.#agent.destroy();
    return {
      gets: this.#sent.GET,
      posts: this.#sent.POST,
      failedGets: this.#failed.GET,
      failedPosts: this.#failed.POST,
      failures: Object.fromEntries(this.#failures),
    };
  }

  #send(): void {
    const method = Math.random() < this.#load.postShare ? 'POST' : 'GET';
    this.#sent[method]++;
    const headers = {
      host: 'bench',
      ...(method === 'POST' ? { 'content-length': BODY.length } : {}),
    };
    const { port } = this.#load;
    const sent = request({
      host: '127.0.0.1',
      port,
      method,
      path: '/',
      headers,
      agent: this.#agent,
    });
    sent.once('error', (error) => this.#fail(method, error.message));
    sent.once('response', (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('end', () => {
        if (response.statusCode !== 200) this.#fail(method, `${response.statusCode} ${text}`);
      });
    });
    sent.end(method === 'POST' ? BODY : undefined);
  }

  #fail(method: 'GET' | 'POST', text: string): void {
    this.#failed[method]++;
    const key = `${method} ${text.slice(0, FAILURE_TEXT_BYTES)}`;
    this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
  }
}
