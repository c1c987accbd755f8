// [b] Settings of external authorization as plain data.
import type { GrpcServiceConfig } from './grpc-service-config.ts';
import type { HeaderAddConfig } from './header-mutation-config.ts';
import type { HeaderMutationRulesConfig } from './header-mutation-rules-config.ts';
import type { FractionConfig, MetadataMatchConfig, StringMatchConfig } from './matcher-config.ts';
import type { RetryPolicyConfig } from './route-config.ts';

export type AuthorizationServiceConfig = HttpAuthorizationConfig | GrpcAuthorizationConfig;

/** An authorization service over gRPC, and what it is told of a request. */
export interface GrpcAuthorizationConfig {
  readonly grpc: GrpcServiceConfig;
  /** Names of headers, in lower case; empty: all. */
  readonly allowedHeaders: readonly StringMatchConfig[];
  readonly disallowedHeaders: readonly StringMatchConfig[];
  /** Namespaces of dynamic metadata. */
  readonly metadataNamespaces: readonly string[];
}

/** envoy.extensions.filters.http.ext_authz.v3.ExtAuthz */
export interface ExtAuthzConfig {
  readonly kind: 'ext_authz';
  /** '' or a name with its dot, as it stands in stats. */
  readonly statPrefix: string;
  readonly service: AuthorizationServiceConfig;
  readonly failureModeAllow: boolean;
  readonly failureModeAllowHeaderAdd: boolean;
  /** Default 403. */
  readonly statusOnError: number;
  readonly clearRouteCache: boolean;
  /** Only where one of these changed, lower-case; empty: whatever changed. */
  readonly clearRouteCacheHeaders: readonly string[];
  /** What answers may change in the request; undefined: all they say. */
  readonly mutationRules: HeaderMutationRulesConfig | undefined;
  readonly body: AuthorizationBodyConfig | undefined;
  /** Undefined: always. */
  readonly enabled: FractionConfig | undefined;
  readonly enabledMetadata: MetadataMatchConfig | undefined;
  /** Requests for which it is not enabled are refused. */
  readonly denyAtDisable: { readonly value: boolean; readonly runtimeKey: string };
  readonly ingestMetadata: boolean;
  /** Refusals count as answers of the route's cluster. */
  readonly chargeClusterStats: boolean;
  /** 0: as long as it is. */
  readonly maxDeniedBodyBytes: number;
}

export interface AuthorizationBodyConfig {
  readonly maxBytes: number;
  /** More than that is checked by its beginning; else it is answered with 413. */
  readonly allowPartial: boolean;
  /** gRPC services get it as bytes, not as text. */
  readonly packAsBytes: boolean;
}

/** envoy.extensions.filters.http.ext_authz.v3.HttpService. Matchers are of header names, in lower case. */
export interface HttpAuthorizationConfig {
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly retryPolicy: RetryPolicyConfig | undefined;
  readonly pathPrefix: string;
  /** In place of prefix and path; '' for none. */
  readonly pathOverride: string;
  /** Of the request to the authorization server, besides those that are always sent. */
  readonly allowedHeaders: readonly StringMatchConfig[];
  readonly disallowedHeaders: readonly StringMatchConfig[];
  readonly headersToAdd: readonly HeaderAddConfig[];
  /** Of its answer: into the request, where it allows it. */
  readonly upstreamHeaders: readonly StringMatchConfig[];
  readonly upstreamHeadersToAppend: readonly StringMatchConfig[];
  /** Into the reply, where it refuses; empty: all but `host`. */
  readonly clientHeaders: readonly StringMatchConfig[];
  readonly clientHeadersOnSuccess: readonly StringMatchConfig[];
  readonly metadataHeaders: readonly StringMatchConfig[];
}

/** envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute; one that disables the filter is none. */
export interface ExtAuthzPerRouteConfig {
  readonly kind: 'ext_authz_per_route';
  readonly disableBody: boolean;
  readonly body: AuthorizationBodyConfig | undefined;
  /** Undefined: the filter's. */
  readonly service: AuthorizationServiceConfig | undefined;
  /** Told to gRPC services, those of less specific levels, too. */
  readonly contextExtensions: ReadonlyMap<string, string>;
}
