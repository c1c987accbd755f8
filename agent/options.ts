// [m] AgentOptions: flags and environment, checked and frozen. Istio: pilot/cmd/pilot-agent/options.
import { basename, join } from 'node:path';

import type { CommandLine } from './command-line.ts';
import { readControlPlane } from './control-plane-options.ts';
import type { ControlPlaneOptions } from './control-plane-options.ts';
import { readCustomBootstrap } from './custom-bootstrap.ts';
import { readDns } from './dns/dns-options.ts';
import type { DnsOptions } from './dns/dns-options.ts';
import { parseDownwardApiFile } from './downward-api.ts';
import { readExports } from './export-options.ts';
import type { ExportOptions } from './export-options.ts';
import { readLifecycle } from './lifecycle-options.ts';
import type { LifecycleOptions } from './lifecycle-options.ts';
import { parseOutputLevels } from './log-sink.ts';
import type { LevelChoice } from './log-sink.ts';
import { describeNode } from './node-metadata.ts';
import type { NodeDescription, NodeIdentity } from './node-metadata.ts';
import { tellNotBuilt } from './not-built.ts';
import { addressesOf, readIdentity, readPaths } from './pod-addresses.ts';
import type { AgentAddresses, AgentPaths } from './pod-addresses.ts';
import { readProxyConfig } from './proxy-config.ts';
import type { JsonObject, ProxyConfig, ProxyConfigSource } from './proxy-config.ts';
import { readProxyOptions } from './proxy-options.ts';
import type { Programs, ProxyOptions } from './proxy-options.ts';
import { readSecurity } from './security/security-options.ts';
import type { SecurityOptions } from './security/security-options.ts';
import { readStats } from './stats-options.ts';
import type { StatsOptions } from './stats-options.ts';
import { readStatus } from './status/status-options.ts';
import type { StatusOptions } from './status/status-options.ts';
import type { Surroundings } from './surroundings.ts';
import { VariableReader } from './variable-reader.ts';

export interface AgentOptions {
  readonly node: NodeDescription;
  readonly identity: NodeIdentity;
  readonly proxyConfig: ProxyConfig;
  readonly addresses: AgentAddresses;
  readonly paths: AgentPaths;
  readonly controlPlane: ControlPlaneOptions;
  readonly security: SecurityOptions;
  /** Undefined: the pod's names are not captured. */
  readonly dns: DnsOptions | undefined;
  readonly proxy: ProxyOptions;
  readonly programs: Programs;
  readonly lifecycle: LifecycleOptions;
  /** In the place of our bootstrap; undefined: ours. */
  readonly customBootstrap: JsonObject | undefined;
  readonly status: StatusOptions;
  readonly stats: StatsOptions;
  readonly exports: ExportOptions;
  /** The proxy learns of its own service, for balancing by zones (ISTIO_META_ENABLE_SELF_DISCOVERY). */
  readonly selfDiscovery: boolean;
  /** What is not right, and no reason not to start; in the operator's words. */
  readonly warnings: readonly string[];
  readonly log: { readonly levels: LevelChoice; readonly asJson: boolean };
}

export type OptionsResult =
  | { readonly ok: true; readonly options: AgentOptions }
  | { readonly ok: false; readonly problems: readonly string[] };

const LABELS_FILE = './etc/istio/pod/labels';
const ANNOTATIONS_FILE = './etc/istio/pod/annotations';

function configSources(
  line: CommandLine,
  host: Surroundings,
  annotations: ReadonlyMap<string, string>,
): ProxyConfigSource[] {
  const sources: ProxyConfigSource[] = [];
  const meshFile = line.flags.get('meshConfig') ?? './etc/istio/config/mesh';
  const mesh = host.readText(meshFile);
  if (mesh !== undefined)
    sources.push({ place: `mesh config ${meshFile}`, text: mesh, field: 'defaultConfig' });
  const meshText = host.variables.get('MESH_CONFIG');
  if (meshText !== undefined && meshText !== '')
    sources.push({ place: 'MESH_CONFIG', text: meshText, field: 'defaultConfig' });
  const variable = host.variables.get('PROXY_CONFIG');
  if (variable !== undefined && variable !== '')
    sources.push({ place: 'PROXY_CONFIG', text: variable });
  const annotation = annotations.get('proxy.istio.io/config');
  if (annotation !== undefined)
    sources.push({ place: 'annotation proxy.istio.io/config', text: annotation });
  return sources;
}

function withProxyMetadata(
  variables: ReadonlyMap<string, string>,
  proxyConfig: ProxyConfig,
): ReadonlyMap<string, string> {
  return new Map([...proxyConfig.proxyMetadata, ...variables]);
}

function downward(host: Surroundings, path: string): ReadonlyMap<string, string> {
  // Injected pods mount it at /etc/istio/pod and run in /; a relative path lets a test have its own.
  return parseDownwardApiFile(host.readText(path) ?? '');
}

/** Without redirection on loopback addresses (samples, tests) nothing arrives where an injected pod has it. */
const isRedirected = ({ metadata }: NodeDescription): boolean =>
  metadata['OUTRIGGER_NO_REDIRECT'] !== 'true';

/** `line`: what followed `proxy`. Problems are in the operator's words and complete. */
// oxlint-disable-next-line eslint/max-lines-per-function -- one entry for each part of the record
export async function readAgentOptions(
  line: CommandLine,
  host: Surroundings,
): Promise<OptionsResult> {
  const problems: string[] = [];
  const warnings = (line.unknown ?? []).map((flag) => `${flag}: no such flag, passed over`);
  const annotations = downward(host, ANNOTATIONS_FILE);
  const ownProxy = join(host.installDir, 'proxy/bin/outrigger-proxy');
  const proxyConfig = await readProxyConfig(
    configSources(line, host, annotations),
    ownProxy,
    problems,
  );
  const read = new VariableReader(withProxyMetadata(host.variables, proxyConfig), problems);
  const identity = readIdentity(line, host, read);
  const addresses = addressesOf(identity, proxyConfig, read);
  const paths = readPaths(proxyConfig, read);
  const node = describeNode(
    {
      identity,
      proxyConfig,
      variables: read.variables,
      podLabels: downward(host, LABELS_FILE),
      podAnnotations: annotations,
      readyPort: addresses.readyPort,
      prometheusPort: addresses.prometheusPort,
      sdsSocketName: basename(paths.sdsSocket),
      serviceCluster: line.flags.get('serviceCluster'),
      exitOnZeroConnections: read.flag('EXIT_ON_ZERO_ACTIVE_CONNECTIONS', false),
      outlierLogPath: line.flags.get('outlierLogPath') ?? '',
    },
    warnings,
  );
  tellNotBuilt(line, proxyConfig, read, warnings);
  const levels = parseOutputLevels(line.flags.get('log_output_level') ?? 'info');
  if (levels === undefined)
    problems.push('--log_output_level: use debug, info, warn, error or none, or scope:level');
  const options: AgentOptions = {
    node,
    identity,
    proxyConfig,
    addresses,
    paths,
    controlPlane: readControlPlane(proxyConfig, node, read),
    security: readSecurity({ identity, node, proxyConfig, read }),
    dns: readDns(
      read,
      { namespace: identity.podNamespace, domain: identity.domain },
      host.readText,
    ),
    proxy: readProxyOptions(line, proxyConfig, host, read, {
      bind: addresses.bind,
      mode:
        identity.role === 'sidecar' && isRedirected(node)
          ? read.text('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT')
          : 'NONE',
    }),
    programs: { ownProxy, boundExec: host.boundExec },
    lifecycle: readLifecycle(proxyConfig, read),
    customBootstrap: await readCustomBootstrap(line, proxyConfig, host, read),
    status: readStatus(read, proxyConfig.statusPort, {
      profiling: line.flags.get('profiling') !== 'false',
      warnings,
    }),
    stats: readStats({ proxyConfig, annotations, instanceIps: identity.instanceIps }, warnings),
    exports: readExports(proxyConfig, read, warnings),
    selfDiscovery: node.metadata['ENABLE_SELF_DISCOVERY'] === 'true',
    warnings,
    log: {
      levels: levels ?? parseOutputLevels('info')!,
      asJson: line.flags.get('log_as_json') === 'true',
    },
  };
  return problems.length > 0
    ? // Two parts may have read the same variable.
      { ok: false, problems: [...new Set(problems)] }
    : { ok: true, options: Object.freeze(options) };
}

/** Where the sidecar of these surroundings listens; for subcommands that run beside it. Never fails: what is wrong, the agent says. */
export async function readAddresses(host: Surroundings): Promise<AgentAddresses> {
  const line: CommandLine = { arguments: [], flags: new Map() };
  const sources = configSources(line, host, downward(host, ANNOTATIONS_FILE));
  const proxyConfig = await readProxyConfig(sources, '-', []);
  const read = new VariableReader(host.variables, []);
  return addressesOf(readIdentity(line, host, read), proxyConfig, read);
}
