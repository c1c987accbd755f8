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
  /** Ports that our own proxy has open before it is configured; undefined: none. */
  readonly early: { readonly addresses: readonly string[]; readonly holdMs: number } | undefined;
  /** Flags of our own proxy by which the operator lets go on what is not built yet. */
  readonly allowances: readonly string[];
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

/** Where redirected connections arrive: they wait for the first configuration instead of being refused. */
function readEarly(place: CapturePlace, read: VariableReader): ProxyOptions['early'] {
  const host = place.bind.includes(':') ? `[${place.bind}]` : place.bind;
  // A port that takes transparent connections must be opened as such.
  const ports = place.mode === 'NONE' ? [] : place.mode === 'TPROXY' ? [15001] : [15001, 15006];
  const usual = ports.map((port) => `${host}:${port}`).join(',');
  const list = read.text('OUTRIGGER_EARLY_LISTENERS', usual);
  const holdMs = read.durationMs('OUTRIGGER_EARLY_HOLD', '15s');
  return list === '' || list === 'none' ? undefined : { addresses: list.split(','), holdMs };
}

const ALLOWANCES = [
  ['--pass-unenforced', 'OUTRIGGER_PASS_UNENFORCED'],
  ['--skip-unknown-extensions', 'OUTRIGGER_SKIP_UNKNOWN_EXTENSIONS'],
] as const;

/** What of the pod's traffic comes to the proxy, and where. */
export interface CapturePlace {
  readonly bind: string;
  /** REDIRECT, TPROXY or NONE. */
  readonly mode: string;
}

// oxlint-disable-next-line eslint/max-params -- one for each source
export function readProxyOptions(
  line: CommandLine,
  proxyConfig: ProxyConfig,
  host: Surroundings,
  read: VariableReader,
  place: CapturePlace,
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
    early: readEarly(place, read),
    allowances: ALLOWANCES.filter(([, variable]) => read.flag(variable, false)).map(
      ([flag]) => flag,
    ),
  };
}
