// [m] AgentOptions: flags and environment, checked and frozen; only reader of process.env in agent/. Istio: pilot/cmd/pilot-agent/options.
import { isIP, isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';

import { fs } from '../proxy/base/node-builtins.ts';
import type { CommandLine } from './command-line.ts';
import { readControlPlane } from './control-plane-options.ts';
import type { ControlPlaneOptions } from './control-plane-options.ts';
import { readDns } from './dns/dns-options.ts';
import type { DnsOptions } from './dns/dns-options.ts';
import { parseOutputLevels } from './log-sink.ts';
import type { LevelChoice } from './log-sink.ts';
import { findProgram } from './find-program.ts';
import { describeNode, parseDownwardApiFile } from './node-metadata.ts';
import type { NodeDescription, NodeIdentity } from './node-metadata.ts';
import { parseAppProbers, parseScrapeTarget } from './pod-annotations.ts';
import type { AppProber, ScrapeTarget } from './pod-annotations.ts';
import { readProxyConfig } from './proxy-config.ts';
import type { ProxyConfig, ProxyConfigSource } from './proxy-config.ts';
import { readSecurity } from './security/security-options.ts';
import type { SecurityOptions } from './security/security-options.ts';
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
  /** Keyed by request path, as in `/app-health/reviews/readyz`. */
  readonly appProbers: ReadonlyMap<string, AppProber>;
  readonly probeLocalhost: boolean;
  readonly scrapeTarget: ScrapeTarget | undefined;
  readonly mergeProxyStats: boolean;
  readonly log: { readonly levels: LevelChoice; readonly asJson: boolean };
}

export interface AgentAddresses {
  /** What 15020, 15021 and 15090 listen on; default all addresses of the first address's family. */
  readonly bind: string;
  /** Where this process reaches what listens on `bind`. */
  readonly local: string;
  /** What the proxy's admin listens on. */
  readonly admin: string;
  readonly adminPort: number;
  readonly statusPort: number;
  readonly readyPort: number;
  readonly prometheusPort: number;
}

export interface AgentPaths {
  /** Bootstrap and XDS socket; made with mode 0700. */
  readonly workDir: string;
  readonly bootstrapFile: string;
  readonly xdsSocket: string;
  readonly sdsSocket: string;
  /** Of a foreign server: what credentials it has, istiod names. */
  readonly credentialSocket: string;
  /** Ours, where a foreign server has the workload's own secrets. */
  readonly filesSocket: string;
}

export interface ProxyOptions {
  readonly binaryPath: string;
  readonly logLevel: string;
  /** Empty: none. */
  readonly componentLogLevel: string;
  readonly concurrency: number | undefined;
  /** Text of the file ISTIO_BOOTSTRAP_OVERRIDE; goes to the proxy as `--config-yaml`. */
  readonly bootstrapOverrideYaml: string | undefined;
  readonly skipDeprecatedLogs: boolean;
  /** Restarts in a row before the agent leaves with the proxy; 0: as stock, leave at the first exit. */
  readonly restartBudget: number;
}

/** Where our own programs lie. */
export interface Programs {
  readonly ownProxy: string;
  /** Entry file of bound-exec. */
  readonly boundExec: string;
}

export interface LifecycleOptions {
  readonly minimumDrainMs: number;
  readonly terminationDrainMs: number;
  readonly exitOnZeroConnections: boolean;
}

/** What the machine says; tests bring their own. */
export interface Surroundings {
  readonly variables: ReadonlyMap<string, string>;
  readonly interfaceAddresses: readonly string[];
  readonly hostName: string;
  /** Undefined: no such file. */
  readonly readText: (path: string) => string | undefined;
  /** The folder that holds proxy/ and iptables-init/. */
  readonly installDir: string;
  /** Entry file of bound-exec, which runs with our Node. */
  readonly boundExec: string;
}

export type OptionsResult =
  | { readonly ok: true; readonly options: AgentOptions }
  | { readonly ok: false; readonly problems: readonly string[] };

const LABELS_FILE = './etc/istio/pod/labels';
const ANNOTATIONS_FILE = './etc/istio/pod/annotations';
const SDS_DIR = './var/run/secrets/workload-spiffe-uds';
const CREDENTIAL_DIR = './var/run/secrets/credential-uds';
/** sun_path on Linux is 108 bytes with its closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
const DEFAULT_RESTART_BUDGET = 10;

function readTextFile(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function findInstallDir(): string {
  const parent = dirname(import.meta.dirname);
  // Emitted files lie one folder deeper than the launchers.
  return basename(parent) === 'dist' ? dirname(parent) : parent;
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);
}

export function readSurroundings(): Surroundings {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) variables.set(name, value);
  }
  return {
    variables,
    interfaceAddresses: ownAddresses(),
    hostName: hostname(),
    readText: readTextFile,
    installDir: findInstallDir(),
    boundExec: join(dirname(import.meta.dirname), 'agent', `bound-exec${extname(import.meta.url)}`),
  };
}

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
  const variable = host.variables.get('PROXY_CONFIG');
  if (variable !== undefined && variable !== '')
    sources.push({ place: 'PROXY_CONFIG', text: variable });
  const annotation = annotations.get('proxy.istio.io/config');
  if (annotation !== undefined)
    sources.push({ place: 'annotation proxy.istio.io/config', text: annotation });
  return sources;
}

function readIdentity(line: CommandLine, host: Surroundings, read: VariableReader): NodeIdentity {
  const podNamespace = read.text('POD_NAMESPACE', 'default');
  const instanceIp = read.text('INSTANCE_IP', '');
  const instanceIps: string[] = [];
  if (instanceIp !== '') {
    if (isIP(instanceIp) === 0)
      read.problems.push(`INSTANCE_IP: must be an IP address, not "${instanceIp}"`);
    instanceIps.push(instanceIp);
  }
  // Sidecars on loopback addresses share their machine: its addresses are nobody's own.
  if (!instanceIp.startsWith('127.')) {
    instanceIps.push(...host.interfaceAddresses.filter((address) => address !== instanceIp));
  }
  if (instanceIps.length === 0) {
    read.problems.push(
      'INSTANCE_IP: must name the address of the workload, as no interface has one',
    );
  }
  return {
    podName: read.text('POD_NAME', host.hostName),
    podNamespace,
    serviceAccount: read.text('SERVICE_ACCOUNT', ''),
    instanceIps,
    domain: line.flags.get('domain') ?? `${podNamespace}.svc.cluster.local`,
  };
}

function addressesOf(
  identity: NodeIdentity,
  proxyConfig: ProxyConfig,
  read: VariableReader,
): AgentAddresses {
  const v6 = isIPv6(identity.instanceIps[0] ?? '');
  const anyAddress = v6 ? '::' : '0.0.0.0';
  const loopback = v6 ? '::1' : '127.0.0.1';
  const bind = read.address('OUTRIGGER_BIND_ADDRESS', anyAddress);
  return {
    bind,
    local: bind === '0.0.0.0' || bind === '::' ? loopback : bind,
    admin: read.address('OUTRIGGER_ADMIN_ADDRESS', loopback),
    adminPort: proxyConfig.proxyAdminPort,
    statusPort: proxyConfig.statusPort,
    readyPort: read.port('ENVOY_STATUS_PORT', 15021),
    prometheusPort: read.port('ENVOY_PROMETHEUS_PORT', 15090),
  };
}

function readPaths(proxyConfig: ProxyConfig, read: VariableReader): AgentPaths {
  const workDir = proxyConfig.configPath;
  const xdsSocket = withDot(join(workDir, 'XDS'));
  const sdsDir = read.text('OUTRIGGER_SDS_DIR', SDS_DIR);
  const sdsSocket = withDot(join(sdsDir, read.text('WORKLOAD_IDENTITY_SOCKET_FILE', 'socket')));
  const credentialSocket = withDot(join(CREDENTIAL_DIR, 'socket'));
  const filesSocket = withDot(join(CREDENTIAL_DIR, 'files-socket'));
  for (const path of [xdsSocket, sdsSocket]) {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      read.problems.push(
        `${path}: longer than the ${MAX_SOCKET_PATH_BYTES} bytes of a unix socket's path; ` +
          'choose a shorter ProxyConfig.configPath or OUTRIGGER_SDS_DIR, or one relative to the working directory',
      );
    }
  }
  const bootstrapFile = withDot(join(workDir, 'envoy-rev.json'));
  return { workDir, bootstrapFile, xdsSocket, sdsSocket, credentialSocket, filesSocket };
}

/** Stock writes relative paths with their dot. */
const withDot = (path: string): string =>
  path.startsWith('/') || path.startsWith('.') ? path : `./${path}`;

function readConcurrency(
  line: CommandLine,
  proxyConfig: ProxyConfig,
  read: VariableReader,
): number | undefined {
  const flag = Number(line.flags.get('concurrency') ?? '0');
  if (flag > 0) return flag;
  if (proxyConfig.concurrency !== undefined) return proxyConfig.concurrency;
  const cpuLimit = read.count('ISTIO_CPU_LIMIT', 0, 0, 1024);
  return cpuLimit > 0 ? cpuLimit : undefined;
}

const LOG_LEVEL = /^(?:trace|debug|info|warn|warning|error|critical|off)$/;

function readOverride(host: Surroundings, read: VariableReader): string | undefined {
  const path = read.text('ISTIO_BOOTSTRAP_OVERRIDE', '');
  const text = path === '' ? undefined : host.readText(path);
  if (path !== '' && text === undefined)
    read.problems.push(`ISTIO_BOOTSTRAP_OVERRIDE: there is no file ${path}`);
  return text;
}

function readProxyOptions(
  line: CommandLine,
  proxyConfig: ProxyConfig,
  host: Surroundings,
  read: VariableReader,
): ProxyOptions {
  const words = (line.flags.get('proxyLogLevel') ?? 'warning').split(',');
  const logLevel = words.find((word) => !word.includes(':')) ?? 'warning';
  if (!LOG_LEVEL.test(logLevel)) {
    read.problems.push(
      `--proxyLogLevel: "${logLevel}" is no level; use trace, debug, info, warning, error, critical or off`,
    );
  }
  const scopes = words.filter((word) => word.includes(':'));
  const component = line.flags.get('proxyComponentLogLevel') ?? '';
  if (component !== '') scopes.push(component);
  return {
    binaryPath: findProgram(proxyConfig.binaryPath, read.text('PATH', '')),
    logLevel,
    componentLogLevel: scopes.join(','),
    concurrency: readConcurrency(line, proxyConfig, read),
    bootstrapOverrideYaml: readOverride(host, read),
    skipDeprecatedLogs: read.flag('ENVOY_SKIP_DEPRECATED_LOGS', true),
    restartBudget: read.count('OUTRIGGER_PROXY_RESTARTS', DEFAULT_RESTART_BUDGET, 0, 1_000_000),
  };
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

/** `line`: what followed `proxy`. Problems are in the operator's words and complete. */
// oxlint-disable-next-line eslint/max-lines-per-function -- one entry for each part of the record
export async function readAgentOptions(
  line: CommandLine,
  host: Surroundings,
): Promise<OptionsResult> {
  const problems: string[] = [];
  const role = line.arguments[0] ?? 'sidecar';
  if (role !== 'sidecar') problems.push(`proxy ${role}: only the role sidecar is built`);
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
      serviceCluster: line.flags.get('serviceCluster') ?? proxyConfig.serviceCluster,
      outlierLogPath: line.flags.get('outlierLogPath') ?? '',
    },
    problems,
  );
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
    proxy: readProxyOptions(line, proxyConfig, host, read),
    programs: { ownProxy, boundExec: host.boundExec },
    lifecycle: {
      minimumDrainMs: read.durationMs('MINIMUM_DRAIN_DURATION', '5s'),
      terminationDrainMs: proxyConfig.terminationDrainDurationMs,
      exitOnZeroConnections: read.flag('EXIT_ON_ZERO_ACTIVE_CONNECTIONS', false),
    },
    appProbers: parseAppProbers(read.text('ISTIO_KUBE_APP_PROBERS', ''), problems),
    probeLocalhost: read.flag('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', false),
    scrapeTarget: parseScrapeTarget(read.text('ISTIO_PROMETHEUS_ANNOTATIONS', ''), problems),
    mergeProxyStats: read.flag('PILOT_AGENT_MERGE_ENVOY_STATS', true),
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
