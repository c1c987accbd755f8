// [m] Access log and tracing settings as istiod sends them. Istio: pilot/pkg/model/telemetry_logging.go, core/tracing.go.
import { anyOf } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { MeshConfig } from './mesh-config.ts';
import type { ProxyView } from './push-context.ts';

/** Istio's default line; the same in its documentation. */
const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

function fileAccessLog(
  mesh: MeshConfig,
  filter: JsonObject | undefined,
): readonly Json[] | undefined {
  if (mesh.accessLogFile === '') return undefined;
  const format = mesh.accessLogFormat === '' ? DEFAULT_FORMAT : mesh.accessLogFormat;
  return [
    {
      name: 'envoy.access_loggers.file',
      filter,
      typed_config: anyOf('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: mesh.accessLogFile,
        log_format: { text_format_source: { inline_string: format } },
      }),
    },
  ];
}

export const accessLog = (mesh: MeshConfig): readonly Json[] | undefined =>
  fileAccessLog(mesh, undefined);

/** A listener's own log: connections that no filter chain took. */
export const listenerAccessLog = (mesh: MeshConfig): readonly Json[] | undefined =>
  fileAccessLog(mesh, { response_flag_filter: { flags: ['NR'] } });

const dryRunTag = (tag: string, key: string): JsonObject => ({
  tag: `istio.authorization.dry_run.${tag}`,
  metadata: {
    kind: { request: {} },
    metadata_key: { key: 'envoy.filters.http.rbac', path: [{ key }] },
  },
});

const literalTag = (tag: string, value: string): JsonObject => ({
  tag: `istio.${tag}`,
  literal: { value },
});

export function tracing(mesh: MeshConfig, { node, labels }: ProxyView): JsonObject | undefined {
  if (!mesh.enableTracing) return undefined;
  return {
    client_sampling: { value: 100 },
    random_sampling: { value: mesh.tracingSamplingPercent },
    overall_sampling: { value: 100 },
    custom_tags: [
      dryRunTag('allow_policy.name', 'istio_dry_run_allow_shadow_effective_policy_id'),
      dryRunTag('allow_policy.result', 'istio_dry_run_allow_shadow_engine_result'),
      dryRunTag('deny_policy.name', 'istio_dry_run_deny_shadow_effective_policy_id'),
      dryRunTag('deny_policy.result', 'istio_dry_run_deny_shadow_engine_result'),
      literalTag(
        'canonical_revision',
        labels.get('service.istio.io/canonical-revision') ?? 'latest',
      ),
      literalTag('canonical_service', labels.get('service.istio.io/canonical-name') ?? 'unknown'),
      literalTag('cluster_id', node.clusterId),
      literalTag('mesh_id', node.meshId),
      literalTag('namespace', node.namespace),
    ],
  };
}
