// A server some way off that closes idle connections: argv PORT LEAST_IDLE_MS MOST_IDLE_MS DISTANCE_MS. Every time a connection goes
// idle its time is drawn anew. What comes is looked at DISTANCE_MS late, and what is said leaves as late, so that a request and a FIN
// can pass each other on the way, as between machines. SIGTERM: prints its counts as JSON and ends.
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';

const [port = 0, leastIdleMs = 1_000, mostIdleMs = 5_000, distanceMs = 1] = process.argv
  .slice(2)
  .map(Number);
const MEAN_SERVICE_MS = 40;
const BODY = 'x'.repeat(100);
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

const counts = { connections: 0, requests: 0, idleCloses: 0, lost: 0 };

class OriginConnection {
  readonly #socket: Socket;
  #text = '';
  #closed = false;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    counts.connections++;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      setTimeout(() => this.#onArrived(bytes.toString('latin1')), distanceMs);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#onGone());
    this.#waitForRequest();
  }

  #onArrived(text: string): void {
    if (this.#closed) {
      counts.lost++;
      return;
    }
    clearTimeout(this.#idleTimer);
    this.#text += text;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/content-length: ([0-9]+)/i.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < head + 4 + length) return;
    this.#text = '';
    counts.requests++;
    const serviceMs = -Math.log(1 - Math.random()) * MEAN_SERVICE_MS;
    setTimeout(() => this.#answer(), serviceMs);
  }

  #answer(): void {
    if (this.#closed) return;
    setTimeout(() => this.#socket.write(ANSWER), distanceMs);
    this.#waitForRequest();
  }

  #waitForRequest(): void {
    const idleMs = leastIdleMs + Math.random() * (mostIdleMs - leastIdleMs);
    this.#idleTimer = setTimeout(() => {
      this.#closed = true;
      counts.idleCloses++;
      setTimeout(() => this.#socket.destroy(), distanceMs);
    }, idleMs);
  }

  #onGone(): void {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
  }
}

createServer((socket) => new OriginConnection(socket)).listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  process.exit(0);
});
