// [m] The two forms of ADS, as far as the agent speaks for itself: subscribe, acknowledge, reject (istio-contract §1.5, §1.6).
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Resource,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { FieldScanner, BYTES } from '../../proxy/base/protobuf-scanner.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import type { Change } from '../last-good/kept-config.ts';
import { CLUSTER, LISTENER } from './type-urls.ts';

/** What requests of both forms have. */
export interface RelayedRequest {
  type_url?: string | undefined;
  response_nonce?: string | undefined;
  error_detail?: { code?: number | undefined; message?: string | undefined } | undefined;
}

/** What responses of both forms have. */
export interface RelayedResponse {
  type_url?: string | undefined;
  nonce?: string | undefined;
}

export interface Dialect<Request extends RelayedRequest, Response extends RelayedResponse> {
  readonly name: 'delta' | 'sotw';
  /** All resources of the type. */
  subscribe(typeUrl: string): Request;
  /** `problem` makes it a rejection. `acceptedVersion`: of the last response that was taken (SotW says it again). */
  acknowledge(response: Response, problem: string | undefined, acceptedVersion: string): Request;
  version(response: Response): string;
  resources(response: Response): readonly Any[];
  /** What a response changes, once it is acknowledged. */
  change(response: Response): Change;
  /** The proxy has nothing of the type. */
  isFresh(request: Request): boolean;
  /** It has this one. */
  knows(request: Request, name: string): boolean;
  /** Names that it asks for. */
  names(request: Request): readonly string[];
  /** Names that it asks for no longer. `before`: what it asked for, where each request says all. */
  dropped(request: Request, before: ReadonlySet<string> | undefined): readonly string[];
  respond(typeUrl: string, answer: Answer): Response;
}

export interface Answer {
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly Resource[];
}

/** gRPC code Internal, as stock rejects. */
const INTERNAL = 13;

export const deltaDialect: Dialect<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  name: 'delta',
  subscribe: (typeUrl) => ({ type_url: typeUrl }),
  acknowledge(response, problem) {
    const request: DeltaDiscoveryRequest = {
      type_url: response.type_url,
      response_nonce: response.nonce,
    };
    if (problem !== undefined) request.error_detail = { code: INTERNAL, message: problem };
    return request;
  },
  version: (response) => response.system_version_info ?? '',
  resources: (response) =>
    (response.resources ?? []).flatMap(({ resource }) =>
      resource === undefined ? [] : [resource],
    ),
  change: (response) => ({
    typeUrl: response.type_url ?? '',
    version: response.system_version_info ?? '',
    full: false,
    resources: response.resources ?? [],
    removed: response.removed_resources ?? [],
  }),
  isFresh: (request) => (request.initial_resource_versions?.size ?? 0) === 0,
  knows: (request, name) => request.initial_resource_versions?.has(name) === true,
  names: (request) => request.resource_names_subscribe ?? [],
  dropped: (request) => (request.resource_names_unsubscribe ?? []).filter((name) => name !== '*'),
  respond: (typeUrl, { nonce, version, resources }) => ({
    type_url: typeUrl,
    nonce,
    system_version_info: version,
    resources: [...resources],
  }),
};

/** Every type that is served by name has the name as its first field. */
function nameIn({ value }: Any): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const scanner = new FieldScanner(bytes);
  while (scanner.next()) {
    if (scanner.number === 1 && scanner.wireType === BYTES) return scanner.content.toString('utf8');
  }
  return '';
}

export const sotwDialect: Dialect<DiscoveryRequest, DiscoveryResponse> = {
  name: 'sotw',
  subscribe: (typeUrl) => ({ type_url: typeUrl }),
  acknowledge(response, problem, acceptedVersion) {
    const request: DiscoveryRequest = {
      type_url: response.type_url,
      response_nonce: response.nonce,
    };
    const version = problem === undefined ? (response.version_info ?? '') : acceptedVersion;
    if (version !== '') request.version_info = version;
    if (problem !== undefined) request.error_detail = { code: INTERNAL, message: problem };
    return request;
  },
  version: (response) => response.version_info ?? '',
  resources: (response) => response.resources ?? [],
  change: (response) => ({
    typeUrl: response.type_url ?? '',
    version: response.version_info ?? '',
    full: response.type_url === CLUSTER || response.type_url === LISTENER,
    resources: (response.resources ?? []).map((resource) => ({ name: nameIn(resource), resource })),
    removed: [],
  }),
  isFresh: (request) => (request.version_info ?? '') === '',
  // Whoever has a version has all that it named.
  knows: (request) => (request.version_info ?? '') !== '' && (request.response_nonce ?? '') === '',
  names: (request) => request.resource_names ?? [],
  dropped(request, before) {
    if (before === undefined) return [];
    const now = new Set(request.resource_names ?? []);
    return [...before].filter((name) => !now.has(name));
  },
  respond: (typeUrl, { nonce, version, resources }) => ({
    type_url: typeUrl,
    nonce,
    version_info: version,
    resources: resources.flatMap(({ resource }) => (resource === undefined ? [] : [resource])),
  }),
};
