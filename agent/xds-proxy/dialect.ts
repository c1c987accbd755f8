// [m] The two forms of ADS, as far as the agent speaks for itself: subscribe, acknowledge, reject (istio-contract §1.5, §1.6).
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';

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
};

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
};
