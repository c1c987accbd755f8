// [m] /server_info (envoy.admin.v3.ServerInfo): all fields of the server and its options are printed, set or not.
import { toJson } from '../../../xds-protos/proto-json.ts';
import type { AdminContext } from '../admin-context.ts';
import type { ServerOptions } from '../options.ts';
import { jsonResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import { bootstrapMessage } from './bootstrap-message.ts';

const seconds = (count: number): string => `${count}s`;

export function handleServerInfo(context: AdminContext): AdminResponse {
  const uptime = seconds(Math.floor(context.uptimeMs() / 1000));
  return jsonResponse({
    version: context.buildVersion,
    state: context.state(),
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    command_line_options: commandLineOptions(context.options),
    node: nodeJson(context),
  });
}

/** The bootstrap's node, with Envoy's printing of an absent locality kept out. */
function nodeJson(context: AdminContext): unknown {
  const { node } = bootstrapMessage(context);
  const id = context.options.serviceNode || node?.id || '';
  const cluster = context.options.serviceCluster || node?.cluster || '';
  const message = { ...node, id, cluster, user_agent_name: 'envoy' };
  return toJson('envoy.config.core.v3.Node', message);
}

const MODES = { serve: 'Serve', validate: 'Validate', init_only: 'InitOnly' } as const;

function commandLineOptions(options: ServerOptions): unknown {
  return {
    base_id: String(options.baseId),
    concurrency: options.concurrency,
    config_path: options.configPath,
    config_yaml: options.configYaml,
    allow_unknown_static_fields: options.allowUnknownStaticFields,
    admin_address_path: options.adminAddressPath,
    local_address_ip_version: options.localAddressIpVersion,
    log_level: options.logLevel,
    component_log_level: options.componentLogLevels
      .map(({ component, level }) => `${component}:${level}`)
      .join(','),
    log_format: options.logFormat,
    log_path: options.logPath,
    service_cluster: options.serviceCluster,
    service_node: options.serviceNode,
    service_zone: options.serviceZone,
    file_flush_interval: seconds(options.fileFlushIntervalMs / 1000),
    drain_time: seconds(options.drainTimeS),
    parent_shutdown_time: seconds(options.parentShutdownTimeS),
    mode: MODES[options.mode],
    disable_hot_restart: options.disableHotRestart,
    enable_mutex_tracing: false,
    restart_epoch: options.restartEpoch,
    cpuset_threads: options.cpusetThreads,
    reject_unknown_dynamic_fields: options.rejectUnknownDynamicFields,
    log_format_escaped: false,
    disabled_extensions: [],
    ignore_unknown_dynamic_fields: options.ignoreUnknownDynamicFields,
    use_dynamic_base_id: false,
    base_id_path: '',
    drain_strategy: options.drainStrategy === 'gradual' ? 'Gradual' : 'Immediate',
    enable_fine_grain_logging: false,
    socket_path: options.socketPath,
    socket_mode: Number(options.socketMode) || 0,
    enable_core_dump: false,
    stats_tag: options.statsTags.map(({ name, value }) => `${name}:${value}`),
    skip_hot_restart_on_no_parent: false,
    skip_hot_restart_parent_stats: false,
    skip_deprecated_logs: options.skipDeprecatedLogs,
  };
}
