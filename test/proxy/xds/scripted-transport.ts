// The outside world of AdsClient as plain objects: a transport whose streams a test answers by hand.
import type {
  AdsMode,
  AdsRequest,
  AdsResponse,
  DeltaAdsRequest,
  SotwAdsRequest,
} from '../../../proxy/xds/ads-mux.ts';
import type {
  AdsStream,
  AdsStreamHandlers,
  AdsTransport,
} from '../../../proxy/xds/ads-transport.ts';
import type { WireResource } from '../../../proxy/xds/subscription-state.ts';
import { packAny } from '../../../xds-protos/any.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import type { Json } from './decoding.ts';

export interface SentRequest {
  readonly request: AdsRequest;
  readonly withNode: boolean;
}

export class ScriptedStream implements AdsStream {
  readonly #handlers: AdsStreamHandlers;
  readonly sent: SentRequest[] = [];
  cancelled = false;

  constructor(handlers: AdsStreamHandlers) {
    this.#handlers = handlers;
  }

  send(request: AdsRequest, withNode: boolean): void {
    this.sent.push({ request, withNode });
  }

  cancel(): void {
    this.cancelled = true;
  }

  respond(response: Partial<AdsResponse> & Pick<AdsResponse, 'typeUrl'>): void {
    this.#handlers.onResponse({
      version: '1',
      nonce: 'n',
      resources: [],
      removed: [],
      complete: false,
      controlPlaneIdentifier: '',
      ...response,
    });
  }

  end(reason = 'gone', ok = false): void {
    this.#handlers.onEnd({ ok, reason });
  }

  /** Requests since the last call, shortened to what tests look at. */
  take(): readonly string[] {
    return this.sent.splice(0).map(({ request }) => describe(request));
  }
}

export class ScriptedTransport implements AdsTransport {
  readonly streams: ScriptedStream[] = [];
  closed = false;

  open(_mode: AdsMode, handlers: AdsStreamHandlers): AdsStream {
    const stream = new ScriptedStream(handlers);
    this.streams.push(stream);
    return stream;
  }

  close(): void {
    this.closed = true;
  }

  get last(): ScriptedStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error('no stream was opened');
    return stream;
  }
}

const NAMES: ReadonlyMap<string, string> = new Map([
  ['type.googleapis.com/envoy.config.cluster.v3.Cluster', 'CDS'],
  ['type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment', 'EDS'],
  ['type.googleapis.com/envoy.config.listener.v3.Listener', 'LDS'],
  ['type.googleapis.com/envoy.config.route.v3.RouteConfiguration', 'RDS'],
]);

function describe(request: AdsRequest): string {
  const parts = [NAMES.get(request.typeUrl) ?? request.typeUrl];
  if (request.mode === 'delta') describeDelta(request, parts);
  else describeSotw(request, parts);
  if (request.nonce !== '') parts.push(`nonce=${request.nonce}`);
  if (request.nack !== undefined) parts.push('NACK');
  return parts.join(' ');
}

function describeDelta(request: DeltaAdsRequest, parts: string[]): void {
  for (const name of request.subscribe) parts.push(`+${name}`);
  for (const name of request.unsubscribe) parts.push(`-${name}`);
  for (const [name, version] of request.initialVersions) parts.push(`held ${name}@${version}`);
}

function describeSotw(request: SotwAdsRequest, parts: string[]): void {
  parts.push(`[${request.names.join()}]`, `version=${request.version}`);
}

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ASSIGNMENT = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

function resource(
  type: typeof CLUSTER | typeof ASSIGNMENT | typeof LISTENER | typeof ROUTES,
  name: string,
  json: Json,
): WireResource {
  const any = packAny(type, fromJson(type, json));
  return { name, version: '', typeUrl: any.type_url, bytes: any.value };
}

export const clusterResource = (name: string, changes: Json = {}): WireResource =>
  resource(CLUSTER, name, { name, ...changes });
/** Refused by the decoder. */
export const badCluster = (name: string): WireResource =>
  clusterResource(name, { connect_timeout: '0s' });
export const endpointsResource = (name: string): WireResource =>
  resource(ASSIGNMENT, name, { cluster_name: name });
export const routesResource = (name: string): WireResource => resource(ROUTES, name, { name });

export const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const EDS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LDS = 'type.googleapis.com/envoy.config.listener.v3.Listener';
export const RDS = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
