// [m] Envoy's own tag extractors that dashboards rely on (envoy-behaviour §11.3), used unless the bootstrap says
// `use_all_default_tags: false`, as Istio's does. Group 1 is cut out of the name, group 2 is the value.

export interface DefaultTag {
  readonly name: string;
  readonly pattern: RegExp;
}

const tag = (name: string, pattern: RegExp): DefaultTag => ({ name: `envoy.${name}`, pattern });

/** In the order in which their labels are printed. The patterns are ours and linear, so V8 runs them. */
export const DEFAULT_TAGS: readonly DefaultTag[] = [
  tag('response_code', /_rq(_(\d{3}))$/d),
  tag('response_code_class', /_rq_((\d))xx$/d),
  tag('http_user_agent', /^http\.[^.]+\.user_agent\.(([^.]+)\.)/d),
  tag('fault_downstream_cluster', /^http\.[^.]+\.fault\.(([^.]+)\.)/d),
  tag('rds_route_config', /^http\.[^.]+\.rds\.((.+)\.)\w+$/d),
  tag('virtual_cluster', /^vhost\.[^.]+\.vcluster\.(([^.]+)\.)/d),
  tag('route', /^vhost\.[^.]+\.route\.(([^.]+)\.)/d),
  tag('virtual_host', /^vhost\.(([^.]+)\.)/d),
  tag('ssl_cipher', /^listener\..*\.ssl\.ciphers(\.([^.]+))$/d),
  tag('ssl_curve', /^(?:listener|cluster)\..*\.ssl\.curves(\.([^.]+))$/d),
  tag('ssl_sigalg', /^(?:listener|cluster)\..*\.ssl\.sigalgs(\.([^.]+))$/d),
  tag('ssl_version', /^(?:listener|cluster)\..*\.ssl\.versions(\.([^.]+))$/d),
  tag('ext_authz_prefix', /^(?:cluster|http)\.[^.]+\.ext_authz\.(([^.]+)\.)/d),
  tag(
    'rbac_policy_name',
    /\.rbac\..*?policy\.(([^.]+)\.)(?:allowed|shadow_allowed|denied|shadow_denied)$/d,
  ),
  tag('rbac_prefix', /^(([^.]+)\.)rbac\./d),
  tag('local_http_ratelimit_prefix', /^(([^.]+)\.)http_local_rate_limit\./d),
  tag('local_network_ratelimit_prefix', /^local_rate_limit\.(([^.]+)\.)/d),
  tag('connection_limit_prefix', /^connection_limit\.(([^.]+)\.)/d),
  tag('cluster_name', /^cluster\.(([^.]+)\.)/d),
  tag('tcp_prefix', /^tcp\.(([^.]+)\.)/d),
  tag('http_conn_manager_prefix', /^(?:http|listener\..*?\.http)\.(([^.]+)\.)/d),
  tag(
    'worker_id',
    /^(?:listener\..+?|server|listener_manager|thread_local_cluster_manager)\.worker_((\d+)\.)/d,
  ),
  tag(
    'listener_address',
    /^listener\.(((?!admin\.)(?:[0-9._]+_\d+|\[[0-9a-fA-F_.]*\]_\d+|[^.]+))\.)/d,
  ),
];
