// [m] Who and where this sidecar is: identity of its pod, what it listens on, its files and sockets.
import { join } from 'node:path';

import { ipFamily, isIpv6 } from '../proxy/base/ip-text.ts';
import type { CommandLine } from './command-line.ts';
import type { NodeIdentity } from './node-metadata.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { Surroundings } from './surroundings.ts';
import type { VariableReader } from './variable-reader.ts';

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
  /** The configuration that the proxy took last; undefined: it is not kept. */
  readonly lastGoodFile: string | undefined;
  readonly xdsSocket: string;
  readonly sdsSocket: string;
  /** Of a foreign server: what credentials it has, istiod names. */
  readonly credentialSocket: string;
  /** Ours, where a foreign server has the workload's own secrets. */
  readonly filesSocket: string;
}

const SDS_DIR = './var/run/secrets/workload-spiffe-uds';
const CREDENTIAL_DIR = './var/run/secrets/credential-uds';
/** sun_path on Linux is 108 bytes with its closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
export function readIdentity(
  line: CommandLine,
  host: Surroundings,
  read: VariableReader,
): NodeIdentity {
  const podNamespace = read.text('POD_NAMESPACE', 'default');
  const instanceIp = read.text('INSTANCE_IP', '');
  const instanceIps: string[] = [];
  if (instanceIp !== '') {
    if (ipFamily(instanceIp) === 0)
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
  const [role = 'sidecar'] = line.arguments;
  if (role !== 'sidecar' && role !== 'router')
    read.problems.push(`proxy ${role}: the roles are sidecar and router`);
  return {
    role: role === 'router' ? role : 'sidecar',
    podName: read.text('POD_NAME', host.hostName),
    podNamespace,
    serviceAccount: read.text('SERVICE_ACCOUNT', ''),
    instanceIps,
    domain: line.flags.get('domain') ?? `${podNamespace}.svc.cluster.local`,
  };
}

export function addressesOf(
  identity: NodeIdentity,
  proxyConfig: ProxyConfig,
  read: VariableReader,
): AgentAddresses {
  const v6 = isIpv6(identity.instanceIps[0] ?? '');
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

export function readPaths(proxyConfig: ProxyConfig, read: VariableReader): AgentPaths {
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
  const keeps = read.flag('OUTRIGGER_KEEP_LAST_GOOD_CONFIG', true);
  return {
    workDir,
    bootstrapFile,
    lastGoodFile: keeps ? withDot(join(workDir, 'last-good-config')) : undefined,
    xdsSocket,
    sdsSocket,
    credentialSocket,
    filesSocket,
  };
}

/** Stock writes relative paths with their dot. */
const withDot = (path: string): string =>
  path.startsWith('/') || path.startsWith('.') ? path : `./${path}`;
