// [m] Istio mTLS contexts of both sides; certificates come over SDS from the agent. Istio: pilot/pkg/security/model.
import type { OriginationTls } from './istio-model.ts';
import { anyOf } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/** `workload`: its own, which is waited for as long as it takes. */
const sdsSecret = (name: string, workload = true): JsonObject => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      set_node_on_first_message_only: true,
      transport_api_version: 'V3',
    },
    ...(workload ? { initial_fetch_timeout: '0s' } : {}),
    resource_api_version: 'V3',
  },
});

const TLS_VERSIONS = {
  tls_minimum_protocol_version: 'TLSv1_2',
  tls_maximum_protocol_version: 'TLSv1_3',
} as const;

interface CommonTls {
  readonly alpn: readonly string[];
  readonly cipherSuites: readonly string[] | undefined;
  /** Matches of the peer's SPIFFE name; none: any name that the mesh's CA has signed. */
  readonly subjectAltNames: readonly Json[];
}

function commonTlsContext({ alpn, cipherSuites, subjectAltNames }: CommonTls): JsonObject {
  return {
    tls_params: { ...TLS_VERSIONS, cipher_suites: cipherSuites },
    alpn_protocols: alpn,
    tls_certificate_sds_secret_configs: [sdsSecret('default')],
    combined_validation_context: {
      // The deprecated form: it is the one that istiod sends.
      default_validation_context:
        subjectAltNames.length === 0 ? {} : { match_subject_alt_names: subjectAltNames },
      validation_context_sds_secret_config: sdsSecret('ROOTCA'),
    },
  };
}

const INBOUND_CIPHERS: readonly string[] = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

export function downstreamTls(http: boolean, trustDomain: string): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: commonTlsContext({
        alpn: http ? ['h2', 'http/1.1'] : ['istio-peer-exchange', 'h2', 'http/1.1'],
        cipherSuites: INBOUND_CIPHERS,
        subjectAltNames: [{ prefix: `spiffe://${trustDomain}/` }],
      }),
      require_client_certificate: true,
    }),
  };
}

export interface UpstreamTls {
  readonly sni: string;
  /** SPIFFE names of the accounts behind the service. */
  readonly spiffeNames: readonly string[];
  readonly http2: boolean;
}

export function upstreamTls({ sni, spiffeNames, http2 }: UpstreamTls): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: anyOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: commonTlsContext({
        alpn: http2 ? ['istio-peer-exchange', 'istio', 'h2'] : ['istio-peer-exchange', 'istio'],
        cipherSuites: undefined,
        subjectAltNames: spiffeNames.map((exact) => ({ exact })),
      }),
      sni,
    }),
  };
}

/** TLS towards a server outside the mesh; certificates from files of the sidecar, by SDS. */
export function originationTls(tls: OriginationTls, http2: boolean): JsonObject {
  const { identity, caCertificates, subjectAltNames, insecureSkipVerify } = tls;
  const certificates =
    identity === undefined
      ? undefined
      : [sdsSecret(`file-cert:${identity.certificate}~${identity.key}`, false)];
  const validation = {
    default_validation_context:
      subjectAltNames.length === 0
        ? {}
        : { match_subject_alt_names: subjectAltNames.map((exact) => ({ exact })) },
    validation_context_sds_secret_config: sdsSecret(
      `file-root:${caCertificates ?? 'system'}`,
      false,
    ),
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: anyOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      common_tls_context: {
        tls_params: TLS_VERSIONS,
        alpn_protocols: http2 ? ['h2'] : undefined,
        tls_certificate_sds_secret_configs: certificates,
        combined_validation_context: insecureSkipVerify ? undefined : validation,
      },
      sni: tls.sni,
    }),
  };
}

/** Auto mTLS: the socket is chosen by each endpoint's metadata. */
export function autoMtlsMatches(tls: UpstreamTls): readonly Json[] {
  return [
    { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: upstreamTls(tls) },
    {
      name: 'tlsMode-disabled',
      match: {},
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: anyOf('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      },
    },
  ];
}
