// [m] Relay: one stream of the proxy joined to one stream of the control plane (istio-contract §1.1, §1.4, §6.11). Istio: pkg/istio-agent/xds_proxy.go.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { DialGate } from './dial-gate.ts';
import type { Dialect, RelayedRequest, RelayedResponse } from './dialect.ts';
import { isForProxy, LISTENER_TYPE_URL } from './response-handlers.ts';
import type { ResponseHandler } from './response-handlers.ts';

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
  readonly gate: DialGate;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
}

type State<Request> =
  | { readonly kind: 'delayed'; readonly timer: TimerHandle; readonly requests: Request[] }
  | { readonly kind: 'joined'; readonly upstream: Upstream<Request> }
  | { readonly kind: 'closed' };

/** A proxy asks for some six types and then waits; more than this while nobody answers is none of ours. */
const MAX_DELAYED_REQUESTS = 1000;

export class Relay<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly #parts: RelayParts<Request, Response>;
  readonly #acceptedVersions = new Map<string, string>();
  #state: State<Request>;
  #subscribed = false;
  #answered = false;

  constructor(parts: RelayParts<Request, Response>) {
    this.#parts = parts;
    const delayMs = parts.gate.delayMs();
    if (delayMs > 0) {
      this.#state = {
        kind: 'delayed',
        requests: [],
        timer: parts.time.setTimer(() => this.#join(), delayMs),
      };
    } else {
      this.#state = { kind: 'joined', upstream: this.#dial() };
    }
  }

  /** From the proxy. */
  onRequest(request: Request): void {
    const { metrics, logger } = this.#parts;
    metrics.xdsRequests.inc();
    if (request.error_detail !== undefined) {
      logger.warn(
        `proxy rejected ${request.type_url ?? ''}: ${request.error_detail.message ?? ''}`,
      );
    }
    this.#send(request);
    if (request.type_url === LISTENER_TYPE_URL && !this.#subscribed) {
      this.#subscribed = true;
      for (const typeUrl of this.#parts.handlers.keys())
        this.#send(this.#parts.dialect.subscribe(typeUrl));
    }
  }

  /** The proxy ended its stream, or a newer one took its place. */
  close(): void {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    if (state.kind === 'delayed') state.timer.cancel();
    else if (state.kind === 'joined') state.upstream.cancel();
  }

  #dial(): Upstream<Request> {
    return this.#parts.dial({
      onResponse: (response) => this.#onResponse(response),
      onEnd: (reason) => this.#onUpstreamEnd(reason),
    });
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
      case 'closed':
        break;
    }
  }

  #onResponse(response: Response): void {
    if (this.#state.kind === 'closed') return;
    const { downstream, handlers, metrics, gate, logger } = this.#parts;
    metrics.xdsResponses.inc();
    this.#answered = true;
    gate.succeeded();
    const typeUrl = response.type_url ?? '';
    const handler = handlers.get(typeUrl);
    if (handler !== undefined) this.#handle(handler, response);
    else if (isForProxy(typeUrl)) downstream.send(response);
    // Not acknowledged either: istiod crashes on health information from a workload that is not registered.
    else logger.debug(`dropped a response of type ${typeUrl}`);
  }

  #handle(handler: ResponseHandler, response: Response): void {
    const { dialect, logger } = this.#parts;
    const problem = handler.accept(dialect.resources(response));
    if (problem === undefined)
      this.#acceptedVersions.set(handler.typeUrl, dialect.version(response));
    else logger.warn(`rejected ${handler.typeUrl}: ${problem}`);
    this.#send(
      dialect.acknowledge(response, problem, this.#acceptedVersions.get(handler.typeUrl) ?? ''),
    );
  }

  /** Ends the proxy's stream too: it keeps its configuration and comes back with all it knows. */
  #onUpstreamEnd(reason: string): void {
    if (this.#state.kind === 'closed') return;
    const { gate, metrics, logger } = this.#parts;
    gate.failed();
    if (this.#answered) metrics.istiodConnectionTerminations.inc();
    else metrics.istiodConnectionFailures.inc();
    logger.warn(`upstream terminated: ${reason}`);
    this.#fail(reason);
  }

  #fail(reason: string): void {
    this.close();
    this.#parts.downstream.fail(reason);
  }
}
