// The scripted ends of a case: a client that does its steps, upstreams that answer as told; both remember what they got and how it ended.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { newTcpServer } from '../../proxy/network/socket-binding.ts';
import type { SocketHandle, SocketName } from '../../proxy/network/socket-binding.ts';
import { RawPeer } from '../support/raw-peers.ts';
import { bodyEnd, headAt, seenResponses } from './http-bytes.ts';
import type {
  Answer,
  ClientStep,
  CustomUpstream,
  Upstream,
  UpstreamScript,
  UpstreamStep,
} from './row.ts';

/** When something last happened in a case, and how long its peers wait. */
export class Pace {
  lastMs = performance.now();
  /** 1 at first; more where a first try came out unequal. */
  readonly patience: number;

  constructor(patience: number) {
    this.patience = patience;
  }

  touch(): void {
    this.lastMs = performance.now();
  }

  /** Until nothing was read, ended or connected for a while. */
  async quiet(): Promise<void> {
    const wanted = 120 * this.patience;
    for (;;) {
      const left = this.lastMs + wanted - performance.now();
      if (left <= 0) return;
      await sleep(Math.max(5, left));
    }
  }

  /** False: not within `seconds`. */
  async until(condition: () => boolean, seconds: number): Promise<boolean> {
    const giveUpAt = performance.now() + seconds * 1000 * this.patience;
    while (!condition()) {
      if (performance.now() > giveUpAt) return false;
      await sleep(4);
    }
    return true;
  }
}

const holds = (text: string, wanted: string | RegExp): boolean =>
  typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text);

/** All of one connection that a case looks at. */
export class Watched {
  readonly peer: RawPeer;
  readonly remotePort: number;
  sent = '';

  constructor(peer: RawPeer, pace: Pace) {
    this.peer = peer;
    this.remotePort = peer.socket.remotePort ?? 0;
    for (const event of ['data', 'end', 'error', 'close'])
      peer.socket.on(event, () => pace.touch());
  }

  send(text: string): void {
    this.sent += text;
    if (!this.peer.socket.destroyed) this.peer.send(text);
  }
}

const STEP_SECONDS = 4;
const ANSWER_SECONDS = 0.8;
const ANNOUNCED_END_SECONDS = 2;

export class ScriptedClient {
  readonly connections: Watched[] = [];
  readonly localPorts: number[] = [];
  /** The step that was waited for in vain. */
  stuckAt: string | undefined;
  #at = 0;
  readonly #port: number;
  readonly #pace: Pace;
  readonly #upstreams: ReadonlyMap<string, ScriptedUpstream>;
  /** Cuts what is sent into packets. */
  readonly #cut: (text: string) => readonly string[];

  constructor(
    port: number,
    pace: Pace,
    upstreams: ReadonlyMap<string, ScriptedUpstream>,
    cut: (text: string) => readonly string[],
  ) {
    this.#port = port;
    this.#pace = pace;
    this.#upstreams = upstreams;
    this.#cut = cut;
  }

  async play(steps: readonly ClientStep[]): Promise<void> {
    await this.#connect();
    for (const step of steps) {
      if (!(await this.#do(step))) {
        this.stuckAt = JSON.stringify(step, (_, value: unknown) =>
          value instanceof RegExp ? String(value) : value,
        );
        break;
      }
    }
    if (typeof steps.at(-1) === 'string' && this.stuckAt === undefined) {
      const { peer } = this.#current;
      await this.#pace.until(() => peer.byteCount > 0 || peer.ending !== 'open', ANSWER_SECONDS);
    }
    await this.#pace.quiet();
    // An announced end comes, however busy the machine is.
    for (const { peer } of this.connections) {
      if (/\r\nconnection: close\r\n/i.test(peer.text))
        await this.#pace.until(
          () => peer.ending !== 'open' || peer.socket.destroyed,
          ANNOUNCED_END_SECONDS,
        );
    }
  }

  close(): void {
    for (const { peer } of this.connections) peer.close();
  }

  get #current(): Watched {
    return this.connections[this.#at]!;
  }

  async #connect(): Promise<void> {
    const watched = new Watched(await RawPeer.connect(this.#port), this.#pace);
    this.#at = this.connections.push(watched) - 1;
    this.localPorts.push(watched.peer.socket.localPort ?? 0);
  }

  async #do(step: ClientStep): Promise<boolean> {
    const current = this.#current;
    const { peer } = current;
    if (typeof step === 'string') {
      for (const part of this.#cut(step)) {
        current.send(part);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return true;
    }
    if ('connect' in step) return this.#connect().then(() => true);
    if ('on' in step) this.#at = step.on;
    if ('pauseMs' in step) return sleep(step.pauseMs).then(() => true);
    if ('end' in step) peer.socket.end();
    else if ('close' in step) peer.close();
    else if ('reset' in step) peer.reset();
    else return this.#pace.until(() => this.#isSo(step, current), STEP_SECONDS);
    return true;
  }

  #isSo(step: Exclude<ClientStep, string>, { peer, sent }: Watched): boolean {
    const closed = peer.ending !== 'open';
    if ('closed' in step) return closed;
    if ('until' in step) return holds(peer.text, step.until);
    if ('responses' in step)
      return seenResponses(peer.text, sent, closed).complete >= step.responses;
    if ('heads' in step) return seenResponses(peer.text, sent, closed).heads >= step.heads;
    if ('upstreamGets' in step || 'upstreamEnds' in step) {
      const upstream = this.#upstreams.get(step.at ?? 'up');
      if (upstream === undefined) throw new Error(`no upstream '${step.at}'`);
      return 'upstreamGets' in step
        ? holds(upstream.text, step.upstreamGets)
        : upstream.connections.some((each) => each.peer.ending !== 'open');
    }
    return true;
  }
}

const normalScript = (upstream: Upstream): UpstreamScript =>
  typeof upstream === 'string' || Array.isArray(upstream)
    ? { answers: [upstream as Answer] }
    : (upstream as UpstreamScript);

export class ScriptedUpstream {
  readonly connections: Watched[] = [];
  /** What a custom upstream noted. */
  readonly notes: string[] = [];
  readonly custom: boolean;
  readonly #upstream: Upstream;
  readonly #pace: Pace;
  readonly #cut: (text: string) => readonly string[];
  #server: Server | undefined;
  #held: SocketHandle | undefined;
  #answered = 0;
  port = 0;

  constructor(upstream: Upstream, pace: Pace, cut: (text: string) => readonly string[]) {
    this.#upstream = upstream;
    this.#pace = pace;
    this.#cut = cut;
    this.custom = typeof upstream === 'object' && 'serve' in upstream;
  }

  async start(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.setNoDelay(true);
      this.#pace.touch();
      const upstream = this.#upstream;
      const watched = new Watched(new RawPeer(socket), this.#pace);
      this.connections.push(watched);
      if (typeof upstream === 'object' && 'serve' in upstream) {
        this.#serveCustom(socket, upstream.serve);
      } else this.#serve(watched, normalScript(upstream));
    });
    if (typeof this.#upstream === 'object' && 'refuses' in this.#upstream) {
      this.#holdPort();
      return;
    }
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Bound and never listened on: nobody else gets it, and connecting to it is refused. */
  #holdPort(): void {
    const handle = newTcpServer();
    const name: SocketName = {};
    handle.bind('127.0.0.1', 0, 0);
    handle.getsockname(name);
    this.port = name.port!;
    this.#held = handle;
  }

  #serveCustom(socket: Socket, serve: CustomUpstream['serve']): void {
    let hearing = -1;
    const note = (line: string): void => void this.notes.push(line);
    serve(socket, note, (bytes) => {
      if (hearing < 0 || hearing !== this.notes.length - 1) hearing = this.notes.push('') - 1;
      this.notes[hearing] += bytes.toString('latin1');
    });
  }

  /** What was got, or what a custom one noted. */
  get text(): string {
    if (this.custom) return this.notes.join('\n');
    return this.connections.map(({ peer }) => peer.text).join('');
  }

  close(): void {
    this.#server?.close();
    this.#held?.close();
    this.#held = undefined;
    this.#server = undefined;
    for (const { peer } of this.connections) peer.close();
  }

  #serve(watched: Watched, script: UpstreamScript): void {
    const { peer } = watched;
    let at = 0;
    let bodyOf: number | undefined;
    let busy = false;
    let tunnel = false;
    const run = (steps: readonly UpstreamStep[]): void => {
      busy = true;
      if (steps.some((step) => typeof step === 'object' && 'tunnel' in step)) tunnel = true;
      void this.#play(watched, steps).then(() => {
        busy = false;
        look();
      });
    };
    const next = (): readonly UpstreamStep[] => {
      const answer = script.answers[Math.min(this.#answered++, script.answers.length - 1)] ?? [];
      return typeof answer === 'string' ? [answer] : answer;
    };
    const look = (): void => {
      if (busy || tunnel) return;
      const head = headAt(peer.text, at);
      if (head === undefined) return;
      const end = bodyEnd(peer.text, head);
      if (bodyOf !== at) {
        const planned = script.answers[Math.min(this.#answered, script.answers.length - 1)] ?? [];
        const first = typeof planned === 'string' ? planned : planned[0];
        if (end < 0 && !(typeof first === 'object' && 'at' in first)) return;
        bodyOf = at;
        run(next());
      }
      if (end < 0) return;
      at = end;
      if (!busy) look();
    };
    peer.socket.on('data', look);
    if (script.onConnect !== undefined) run(script.onConnect);
  }

  async #send(peer: RawPeer, text: string): Promise<void> {
    const parts = this.#cut(text);
    for (const [i, part] of parts.entries()) {
      if (i > 0) await new Promise((resolve) => setImmediate(resolve));
      if (peer.socket.destroyed) return;
      peer.send(part);
    }
  }

  async #play({ peer }: Watched, steps: readonly UpstreamStep[]): Promise<void> {
    for (const step of steps) {
      if (peer.socket.destroyed) return;
      if (typeof step === 'string') await this.#send(peer, step);
      else if ('pauseMs' in step) await sleep(step.pauseMs);
      else if ('until' in step)
        await this.#pace.until(() => holds(peer.text, step.until), STEP_SECONDS);
      else if ('end' in step) peer.socket.end();
      // What was written leaves before the end of the connection.
      else if ('close' in step) await new Promise<void>((resolve) => closeSoon(peer, resolve));
      else if ('reset' in step) peer.reset();
    }
  }
}

function closeSoon(peer: RawPeer, done: () => void): void {
  peer.socket.end(() => {
    peer.close();
    done();
  });
}
