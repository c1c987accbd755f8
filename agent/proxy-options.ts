// [m] ProxyOptions: which program the proxy is, and what its command line says (istio-contract §6.1, §6.3).
import type { CommandLine } from './command-line.ts';
import { findProgram } from './find-program.ts';
import type { ProxyConfig } from './proxy-config.ts';
import type { Surroundings } from './surroundings.ts';
import type { VariableReader } from './variable-reader.ts';

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

const DEFAULT_RESTART_BUDGET = 10;

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

export function readProxyOptions(
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
