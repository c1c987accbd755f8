// [m] Relay: one stream of the proxy joined to one stream of the control plane (istio-contract §1.1, §1.4, §6.11). Istio: pkg/istio-agent/xds_proxy.go.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import { KeptUpstream } from '../last-good/kept-upstream.ts';
import type { LastGood } from '../last-good/last-good.ts';
import { Recorder } from '../last-good/recorder.ts';
import type { DialGate } from './dial-gate.ts';
import type { Dialect, RelayedRequest, RelayedResponse } from './dialect.ts';
import { isForProxy } from './response-handlers.ts';
import type { ResponseHandler } from './response-handlers.ts';
import { LISTENER } from './type-urls.ts';

/** Towards the proxy. */
export interface Downstream<Response> {
  send(response: Response): void;
  /** Ends the stream with status Unavailable. */
  fail(reason: string): void;
}

export interface UpstreamEvents<Response> {
  onResponse(response: Response): void;
  /** Once, and nothing after it. */
  onEnd(reason: string): void;
}

/** Towards the control plane. */
export interface Upstream<Request> {
  send(request: Request): void;
  /** No event comes afterwards. */
  cancel(): void;
}

export type Dial<Request, Response> = (events: UpstreamEvents<Response>) => Upstream<Request>;

export interface RelayParts<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly dialect: Dialect<Request, Response>;
  readonly downstream: Downstream<Response>;
  readonly dial: Dial<Request, Response>;
  readonly handlers: ReadonlyMap<string, ResponseHandler>;
  /** Undefined: nothing is kept for the time when the control plane is away. */
  readonly lastGood: LastGood | undefined;
  readonly gate: DialGate;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
}

type State<Request, Response> =
  | { readonly kind: 'delayed'; readonly timer: TimerHandle; readonly requests: Request[] }
  | { readonly kind: 'joined'; readonly upstream: Upstream<Request> }
  | {
      /** The proxy gets what was kept; `probe` or `timer`: the control plane is asked, or will be. */
      readonly kind: 'standby';
      readonly kept: KeptUpstream<RelayedRequest & Request, RelayedResponse & Response>;
      probe: Upstream<Request> | undefined;
      timer: TimerHandle | undefined;
    }
  | { readonly kind: 'closed' };

/** A proxy asks for some six types and then waits; more than this while nobody answers is none of ours. */
const MAX_DELAYED_REQUESTS = 1000;
/** A control plane that says nothing for so long is away as far as a proxy without configuration is concerned. */
const SILENCE_MS = 3000;

export class Relay<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly #parts: RelayParts<Request, Response>;
  readonly #acceptedVersions = new Map<string, string>();
  readonly #recorder: Recorder<Request, Response> | undefined;
  #state: State<Request, Response>;
  #subscribed = false;
  #answered = false;
  /** What the proxy asked for before there was an answer; undefined afterwards, and where nothing is kept. */
  #opening: Request[] | undefined;
  #silence: TimerHandle | undefined;

  constructor(parts: RelayParts<Request, Response>) {
    this.#parts = parts;
    const { lastGood, dialect, time } = parts;
    if (lastGood !== undefined) {
      this.#recorder = new Recorder(dialect, lastGood.file, time);
      this.#opening = [];
    }
    this.#state =
      parts.gate.delayMs() > 0 ? this.#delayed() : { kind: 'joined', upstream: this.#dial() };
  }

  /** From the proxy. */
  onRequest(request: Request): void {
    const { metrics, logger, dialect, handlers } = this.#parts;
    metrics.xdsRequests.inc();
    if (request.error_detail !== undefined) {
      logger.warn(
        `proxy rejected ${request.type_url ?? ''}: ${request.error_detail.message ?? ''}`,
      );
    }
    this.#recorder?.onRequest(request);
    const isFirst = this.#opening?.length === 0;
    if (this.#opening !== undefined && this.#opening.length < MAX_DELAYED_REQUESTS)
      this.#opening.push(request);
    this.#send(request);
    if (request.type_url === LISTENER && !this.#subscribed) {
      this.#subscribed = true;
      for (const typeUrl of handlers.keys()) this.#send(dialect.subscribe(typeUrl));
    }
    if (isFirst && dialect.isFresh(request)) this.#onFreshProxy();
  }

  /** The proxy ended its stream, or a newer one took its place. */
  close(): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#parts.metrics.controlPlaneConnected(false);
    this.#silence?.cancel();
    this.#recorder?.close();
    if (state.kind === 'delayed') state.timer.cancel();
    else if (state.kind === 'joined') state.upstream.cancel();
    else if (state.kind === 'standby') {
      state.timer?.cancel();
      state.probe?.cancel();
    }
  }

  #dial(): Upstream<Request> {
    return this.#parts.dial({
      onResponse: (response) => this.#onResponse(response),
      onEnd: (reason) => this.#onUpstreamEnd(reason),
    });
  }

  #delayed(): State<Request, Response> {
    const { gate, time } = this.#parts;
    const timer = time.setTimer(() => this.#join(), gate.delayMs());
    return { kind: 'delayed', requests: [], timer };
  }

  #join(): void {
    if (this.#state.kind !== 'delayed') return;
    const { requests } = this.#state;
    const upstream = this.#dial();
    this.#state = { kind: 'joined', upstream };
    for (const request of requests) upstream.send(request);
  }

  #send(request: Request): void {
    const state = this.#state;
    switch (state.kind) {
      case 'joined':
        state.upstream.send(request);
        break;
      case 'delayed':
        if (state.requests.length < MAX_DELAYED_REQUESTS) state.requests.push(request);
        else this.#fail('too many requests while the control plane is away');
        break;
      case 'standby':
        state.kept.send(request);
        break;
      case 'closed':
        break;
    }
  }

  /** Its first request says that it has nothing: it should not have to wait for a control plane that may stay away. */
  #onFreshProxy(): void {
    const { time } = this.#parts;
    if (this.#state.kind === 'delayed') this.#standBy('the last tries to reach it failed');
    else if (this.#state.kind === 'joined')
      this.#silence = time.setTimer(() => this.#standBy(`silent for ${SILENCE_MS} ms`), SILENCE_MS);
  }

  /** False: there is nothing to serve. */
  #standBy(reason: string): boolean {
    const { lastGood, dialect, downstream } = this.#parts;
    const before = this.#state;
    const config = lastGood?.serve(reason);
    if (config === undefined || before.kind === 'closed' || before.kind === 'standby') return false;
    if (before.kind === 'delayed') before.timer.cancel();
    const kept = new KeptUpstream(config, dialect, (response) => downstream.send(response));
    // A stream that is merely silent may answer yet.
    const probe =
      before.kind === 'joined' && this.#silence !== undefined ? before.upstream : undefined;
    this.#state = { kind: 'standby', kept, probe, timer: undefined };
    if (probe === undefined) this.#probeLater();
    for (const request of this.#opening ?? []) kept.send(request);
    return true;
  }

  #probeLater(): void {
    const { gate, time } = this.#parts;
    if (this.#state.kind !== 'standby') return;
    this.#state.probe = undefined;
    this.#state.timer = time.setTimer(() => {
      const [first] = this.#opening ?? [];
      if (this.#state.kind !== 'standby' || first === undefined) return;
      this.#state.probe = this.#dial();
      this.#state.probe.send(first);
    }, gate.delayMs());
  }

  #onResponse(response: Response): void {
    if (this.#state.kind === 'closed') return;
    const { downstream, handlers, metrics, gate, logger, lastGood } = this.#parts;
    metrics.xdsResponses.inc();
    gate.succeeded();
    if (this.#state.kind === 'standby') {
      // It asks again, and says what it has: the control plane tells it what is new, and what is gone.
      this.#fail('the control plane is back');
      return;
    }
    this.#answered = true;
    this.#opening = undefined;
    this.#silence?.cancel();
    metrics.controlPlaneConnected(true);
    lastGood?.onAnswer();
    const typeUrl = response.type_url ?? '';
    const handler = handlers.get(typeUrl);
    if (handler !== undefined) this.#handle(handler, response);
    else if (isForProxy(typeUrl)) {
      this.#recorder?.onResponse(response);
      downstream.send(response);
    }
    // Not acknowledged either: istiod crashes on health information from a workload that is not registered.
    else logger.debug(`dropped a response of type ${typeUrl}`);
  }

  #handle(handler: ResponseHandler, response: Response): void {
    const { dialect, logger } = this.#parts;
    const problem = handler.accept(dialect.resources(response));
    if (problem === undefined) {
      this.#acceptedVersions.set(handler.typeUrl, dialect.version(response));
      this.#recorder?.onAccepted(response);
    } else logger.warn(`rejected ${handler.typeUrl}: ${problem}`);
    this.#send(
      dialect.acknowledge(response, problem, this.#acceptedVersions.get(handler.typeUrl) ?? ''),
    );
  }

  /** Ends the proxy's stream too: it keeps its configuration and comes back with all it knows. */
  #onUpstreamEnd(reason: string): void {
    if (this.#state.kind === 'closed') return;
    const { gate, metrics, logger } = this.#parts;
    gate.failed();
    metrics.controlPlaneConnected(false);
    if (this.#answered) metrics.istiodConnectionTerminations.inc();
    else metrics.istiodConnectionFailures.inc();
    if (this.#state.kind === 'standby') {
      logger.debug(`the control plane is still away: ${reason}`);
      this.#probeLater();
      return;
    }
    logger.warn(`upstream terminated: ${reason}`);
    if (!this.#outlast(reason)) this.#fail(reason);
  }

  /** A proxy that has nothing yet is better served by what was kept. */
  #outlast(reason: string): boolean {
    const [first] = this.#opening ?? [];
    if (this.#opening !== undefined && first === undefined) {
      // What it has, its first request will say.
      this.#state = this.#delayed();
      return true;
    }
    this.#silence?.cancel();
    this.#silence = undefined;
    return first !== undefined && this.#parts.dialect.isFresh(first) && this.#standBy(reason);
  }

  #fail(reason: string): void {
    this.close();
    this.#parts.downstream.fail(reason);
  }
}
