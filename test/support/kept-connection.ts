// Requests over one HTTP/1 connection that is kept, as long as the proxy keeps it: for what an update means to those who were there.
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export class KeptConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;
  readonly #seen = new Set<unknown>();

  constructor(t: { teardown(fn: () => void): void }, port: number) {
    this.#port = port;
    this.#agent.on('free', (socket) => this.#seen.add(socket));
    t.teardown(() => this.#agent.destroy());
  }

  /** 1, unless the proxy closed one. */
  get connections(): number {
    return this.#seen.size;
  }

  get(path: string): Promise<{ readonly text: string; readonly headers: IncomingHttpHeaders }> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, host: '127.0.0.1', port: this.#port, path };
      const sent = request(options, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () =>
          resolve({ text: `${response.statusCode} ${body}`, headers: response.headers }),
        );
      });
      sent.on('error', reject);
      sent.end();
    });
  }
}
