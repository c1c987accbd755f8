// [m] Plays a recording of istiod over real gRPC: the first load on request, later steps on command (test/fixtures/istiod/README.md, "Replay").
import { existsSync, readFileSync, readdirSync } from 'node:fs';

import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { packAny, unpackAnyAs } from '../../xds-protos/any.ts';
import { decode } from '../../xds-protos/codec.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { eventually } from './eventually.ts';

export const RECORDINGS = new URL('../fixtures/istiod/', import.meta.url).pathname;
/** Names are the agent's. */
const NOT_ASKED_FOR: ReadonlySet<string> = new Set([
  'type.googleapis.com/istio.networking.nds.v1.NameTable',
]);
const EDS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

type Request = DeltaDiscoveryRequest | DiscoveryRequest;
type Response = DeltaDiscoveryResponse | DiscoveryResponse;

export interface ReplayStep {
  readonly name: string;
  readonly responses: readonly number[];
}

export interface ReplayOptions {
  /**
   * Takes the label off the endpoints by which clusters choose mTLS. It stands for a mesh with mTLS off, since the proxy
   * has no TLS yet; nothing else of a recording is ever changed.
   */
  readonly plaintextEndpoints?: boolean;
}

export class ReplayControlPlane {
  readonly steps: readonly ReplayStep[];
  /** What the proxy refused, with the type: the test has failed when there is any. */
  readonly nacks: string[] = [];
  /** All that came, oldest first. */
  readonly requests: Request[] = [];
  /** How often the proxy connected. */
  streams = 0;
  readonly #recording: string;
  readonly #responses: ReadonlyMap<number, Response>;
  readonly #initial: readonly number[];
  readonly #server = new AdsServer();
  readonly #answered = new Set<string>();
  readonly #subscribed = new Map<string, Set<string>>();
  #send: (response: Response) => void = () => {};
  #end: () => void = () => {};

  constructor(recording: string, options: ReplayOptions = {}) {
    this.#recording = recording;
    this.#responses = readResponses(recording, options.plaintextEndpoints === true);
    const { initial, steps } = readSteps(recording, [...this.#responses.keys()]);
    this.#initial = initial;
    this.steps = steps;
    this.#server.addHandlers({
      delta: (stream) =>
        this.#serve(stream, (response) => void stream.send(response as DeltaDiscoveryResponse)),
      sotw: (stream) =>
        this.#serve(stream, (response) => void stream.send(response as DiscoveryResponse)),
    });
  }

  /** `127.0.0.1:0` or `unix:/path`; gives what a client connects to. */
  listen(target = '127.0.0.1:0'): Promise<string> {
    return this.#server.listen(target);
  }

  /** Ends the stream as an istiod that goes away. */
  cut(): void {
    this.#end();
  }

  close(): void {
    this.#server.close();
  }

  /** Types of the first load that the proxy has not acknowledged or refused yet. */
  get unanswered(): readonly string[] {
    return this.#firstLoad()
      .filter((response) => !this.#answered.has(response.nonce ?? ''))
      .map((response) => shortType(response.type_url));
  }

  /** Plays one step; resolves when every response of it was acknowledged or refused. */
  async play(step: ReplayStep): Promise<void> {
    for (const number of step.responses) {
      const response = this.#responses.get(number)!;
      if (NOT_ASKED_FOR.has(response.type_url ?? '')) continue;
      this.#send(response);
      const what = `${this.#recording}: an answer to response ${number} (${step.name})`;
      await eventually(what, () => this.#answered.has(response.nonce ?? ''));
    }
  }

  /** Names the proxy subscribes to now, sorted; `*` where it asked for all. */
  subscribed(type: 'ClusterLoadAssignment' | 'RouteConfiguration'): readonly string[] {
    return [...(this.#subscribed.get(type) ?? [])].sort();
  }

  /** Names in the recorded answer of the first load, sorted. */
  recorded(type: 'ClusterLoadAssignment' | 'RouteConfiguration'): readonly string[] {
    const response = this.#firstLoad().find(({ type_url }) => shortType(type_url) === type);
    return (response?.resources ?? []).map(nameOf).sort();
  }

  /** Names of the EDS clusters after the first `steps` steps, sorted. */
  edsClusters(steps: number): readonly string[] {
    const names = new Set<string>();
    const played = [this.#initial, ...this.steps.slice(0, steps).map((step) => step.responses)];
    for (const response of played.flat().map((number) => this.#responses.get(number)!)) {
      if (shortType(response.type_url) !== 'Cluster') continue;
      if (isSotw(this.#recording)) names.clear();
      for (const resource of response.resources ?? []) {
        const cluster = unpackAnyAs('envoy.config.cluster.v3.Cluster', anyOf(resource))!;
        const serviceName = cluster.eds_cluster_config?.service_name ?? '';
        if (serviceName !== '') names.add(serviceName);
      }
      const removed = (response as DeltaDiscoveryResponse).removed_resources ?? [];
      for (const name of removed) names.delete(name);
    }
    return [...names].sort();
  }

  #firstLoad(): readonly Response[] {
    return this.#initial
      .map((number) => this.#responses.get(number)!)
      .filter((response) => !NOT_ASKED_FOR.has(response.type_url ?? ''));
  }

  #serve<Sent, Received extends Request>(
    stream: AdsServerStream<Sent, Received>,
    send: (response: Response) => void,
  ): void {
    this.streams++;
    this.#send = send;
    this.#end = () => stream.end({ code: statusCode.unavailable, reason: 'istiod goes away' });
    this.#answered.clear();
    this.#subscribed.clear();
    const left = new Map(this.#firstLoad().map((response) => [response.type_url, response]));
    stream.onMessage((request) => {
      this.#note(request);
      const first = left.get(request.type_url);
      if (first === undefined) return;
      left.delete(request.type_url);
      send(first);
    });
  }

  #note(request: Request): void {
    const type = shortType(request.type_url);
    this.requests.push(request);
    if (request.error_detail !== undefined)
      this.nacks.push(`${type}: ${request.error_detail.message ?? ''}`);
    if (request.response_nonce !== undefined) this.#answered.add(request.response_nonce);
    const names = this.#subscribed.get(type) ?? new Set();
    this.#subscribed.set(type, names);
    if (isSotw(this.#recording)) names.clear();
    for (const name of (request as DiscoveryRequest).resource_names ?? []) names.add(name);
    const delta = request as DeltaDiscoveryRequest;
    for (const name of delta.resource_names_subscribe ?? []) names.add(name);
    for (const name of delta.resource_names_unsubscribe ?? []) names.delete(name);
  }
}

/** Every recorded node: `01-bookinfo/productpage`, ... */
export function allRecordings(): readonly string[] {
  return readdirSync(RECORDINGS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: scenario }) =>
      readdirSync(RECORDINGS + scenario, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${scenario}/${entry.name}`),
    )
    .sort();
}

export const isSotw = (recording: string): boolean => recording.endsWith('-sotw');

const shortType = (typeUrl: string | undefined): string => (typeUrl ?? '').split('.').at(-1)!;

type RecordedResource = NonNullable<Response['resources']>[number];

function anyOf(resource: RecordedResource): Any {
  return 'type_url' in resource ? (resource as Any) : (resource as { resource: Any }).resource;
}

function nameOf(resource: RecordedResource): string {
  if ('name' in resource && resource.name !== undefined) return resource.name;
  const any = anyOf(resource);
  const assignment = unpackAnyAs(EDS, any);
  if (assignment !== undefined) return assignment.cluster_name ?? '';
  return unpackAnyAs('envoy.config.route.v3.RouteConfiguration', any)?.name ?? '';
}

function readResponses(recording: string, plaintext: boolean): ReadonlyMap<number, Response> {
  const files = readdirSync(RECORDINGS + recording).filter((name) => name.endsWith('.pb'));
  return new Map(
    files.map((name) => {
      const bytes = readFileSync(`${RECORDINGS}${recording}/${name}`);
      const response: Response = isSotw(recording)
        ? decode('envoy.service.discovery.v3.DiscoveryResponse', bytes)
        : decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
      if (plaintext && name.endsWith('-eds.pb')) response.resources?.forEach(withoutTlsMode);
      return [Number(name.slice(0, 2)), response];
    }),
  );
}

function withoutTlsMode(resource: RecordedResource): void {
  const any = anyOf(resource);
  const assignment = unpackAnyAs(EDS, any)!;
  for (const endpoint of (assignment.endpoints ?? []).flatMap(
    (group) => group.lb_endpoints ?? [],
  )) {
    endpoint.metadata?.filter_metadata?.delete('envoy.transport_socket_match');
  }
  any.value = packAny(EDS, assignment).value;
}

interface Steps {
  readonly initial: readonly number[];
  readonly steps: readonly ReplayStep[];
}

function readSteps(recording: string, all: readonly number[]): Steps {
  const path = `${RECORDINGS}${recording}/steps.json`;
  if (!existsSync(path)) return { initial: all, steps: [] };
  return JSON.parse(readFileSync(path, 'utf8')) as Steps;
}
