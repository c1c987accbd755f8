// A control plane over real gRPC that plays a recording: the first load on request, later steps on command.
// Each response waits for the answer to the one before of its type (test/fixtures/istiod/README.md, "Replay").
import { readFileSync, readdirSync } from 'node:fs';
import { eventually } from '../../support/eventually.ts';
import type { AdsServerStream } from '../../../xds-protos/ads-stream.ts';
import { decode } from '../../../xds-protos/codec.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { AdsServer } from '../../../xds-protos/services.ts';

const ROOT = new URL('../../fixtures/istiod/', import.meta.url).pathname;
const NOT_ASKED_FOR = 'type.googleapis.com/istio.networking.nds.v1.NameTable';

type Request = DeltaDiscoveryRequest | DiscoveryRequest;
type Response = DeltaDiscoveryResponse | DiscoveryResponse;

interface Step {
  readonly name: string;
  readonly responses: readonly number[];
}

export class ReplayControlPlane {
  readonly requests: Request[] = [];
  /** What the client refused: the test has failed when there is any. */
  readonly nacks: string[] = [];
  streams = 0;
  readonly steps: readonly Step[];
  readonly #responses: ReadonlyMap<number, Response>;
  readonly #initial: readonly number[];
  readonly #server = new AdsServer();
  readonly #answered = new Set<string>();
  #send: (response: Response) => void = () => {};
  #end: () => void = () => {};

  constructor(recording: string) {
    this.#responses = readResponses(recording);
    const steps = readSteps(recording);
    this.#initial = steps.initial;
    this.steps = steps.steps;
    this.#server.addHandlers({
      delta: (stream) =>
        this.#serve(stream, (response) => void stream.send(response as DeltaDiscoveryResponse)),
      sotw: (stream) =>
        this.#serve(stream, (response) => void stream.send(response as DiscoveryResponse)),
    });
  }

  listen(): Promise<string> {
    return this.#server.listen('127.0.0.1:0');
  }

  close(): void {
    this.#server.close();
  }

  /** Cuts the stream as an istiod that goes away. */
  cut(): void {
    this.#end();
  }

  /** Plays one step; resolves when every response of it was answered. */
  async play(step: Step): Promise<void> {
    for (const number of step.responses) {
      const response = this.#responses.get(number)!;
      if (response.type_url === NOT_ASKED_FOR) continue;
      this.#send(response);
      await eventually(`an answer to response ${number}`, () =>
        this.#answered.has(response.nonce ?? ''),
      );
    }
  }

  /** Whether the whole first load was answered. */
  get loaded(): boolean {
    return this.#firstLoad().every((response) => this.#answered.has(response.nonce ?? ''));
  }

  #firstLoad(): readonly Response[] {
    return this.#initial
      .map((number) => this.#responses.get(number)!)
      .filter((response) => response.type_url !== NOT_ASKED_FOR);
  }

  #serve<Sent, Received extends Request>(
    stream: AdsServerStream<Sent, Received>,
    send: (response: Response) => void,
  ): void {
    this.streams++;
    this.#send = send;
    this.#end = () => stream.end({ code: 14, reason: 'istiod goes away' });
    this.#answered.clear();
    const left = new Map(this.#firstLoad().map((response) => [response.type_url, response]));
    stream.onMessage((request) => {
      this.requests.push(request);
      if (request.error_detail !== undefined) this.nacks.push(request.error_detail.message ?? '');
      if (request.response_nonce !== undefined) this.#answered.add(request.response_nonce);
      const first = left.get(request.type_url);
      if (first === undefined) return;
      left.delete(request.type_url);
      send(first);
    });
  }
}

function readResponses(recording: string): ReadonlyMap<number, Response> {
  const sotw = recording.endsWith('-sotw');
  const files = readdirSync(ROOT + recording).filter((name) => name.endsWith('.pb'));
  return new Map(
    files.map((name) => {
      const bytes = readFileSync(`${ROOT}${recording}/${name}`);
      const type = `envoy.service.discovery.v3.${sotw ? '' : 'Delta'}DiscoveryResponse` as const;
      return [Number(name.slice(0, 2)), decode(type, bytes)];
    }),
  );
}

function readSteps(recording: string): {
  readonly initial: readonly number[];
  readonly steps: readonly Step[];
} {
  return JSON.parse(readFileSync(`${ROOT}${recording}/steps.json`, 'utf8')) as {
    initial: number[];
    steps: Step[];
  };
}
