// [m] Envoy's command line to frozen ServerOptions; the only reader of process.env in proxy/ (envoy-behaviour §14.4).
import { ipFamily } from '../base/ip-text.ts';
import { os } from '../base/node-builtins.ts';
import type { LogLevel } from '../base/logger.ts';
import type { EarlyListeners } from '../listener-manager/early-sockets.ts';
import { MAX_COUNT, OPTION_TABLE } from './option-table.ts';
import type { OptionSpec } from './option-table.ts';
import { usageText, versionText } from './usage.ts';
import type { ComponentLogLevel, DrainStrategy } from './worker-protocol.ts';

export interface ServerOptions {
  /** '' when only `--config-yaml` was given. */
  readonly configPath: string;
  readonly configYaml: string;
  readonly mode: 'serve' | 'validate' | 'init_only';
  /** Worker threads, at least 1. */
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly componentLogLevels: readonly ComponentLogLevel[];
  /** '': standard error. */
  readonly logPath: string;
  readonly logFormat: string;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly drainTimeS: number;
  readonly drainStrategy: DrainStrategy;
  readonly parentShutdownTimeS: number;
  readonly localAddressIpVersion: 'v4' | 'v6';
  readonly fileFlushIntervalMs: number;
  readonly fileFlushMinSizeKb: number;
  readonly allowUnknownStaticFields: boolean;
  readonly rejectUnknownDynamicFields: boolean;
  readonly ignoreUnknownDynamicFields: boolean;
  /** Filters and other extensions of unknown types are left out; else what has them is refused. */
  readonly skipUnknownExtensions: boolean;
  /** What filters guard that are not enforced is let through; else it is refused. */
  readonly passUnenforced: boolean;
  /** Requests that must not be sent twice are not (docs/replay-guard.md). */
  readonly guardReplays: boolean;
  /** Requests that met a dead connection are sent once more (docs/stale-connections.md). */
  readonly replayStale: boolean;
  readonly skipDeprecatedLogs: boolean;
  /** Its other end closes when the agent is gone; undefined: nobody holds one. */
  readonly leashFd: number | undefined;
  /** Ports that are open before their listeners come; undefined: none. */
  readonly early: EarlyListeners | undefined;
  readonly adminAddressPath: string;
  readonly baseId: number;
  readonly restartEpoch: number;
  readonly disableHotRestart: boolean;
  readonly cpusetThreads: boolean;
  readonly socketPath: string;
  readonly socketMode: string;
  readonly statsTags: readonly { readonly name: string; readonly value: string }[];
  /** The arguments as given, for /server_info and the log. */
  readonly arguments: readonly string[];
}

/** What the command line asks for. */
export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: ServerOptions }
  /** `--help`, `--version`: print to standard output and exit 0. */
  | { readonly kind: 'print'; readonly text: string }
  /** Print to standard error and exit 1. */
  | { readonly kind: 'error'; readonly text: string };

/** The machine and environment, as far as defaults depend on them. */
export interface HostFacts {
  /** CPUs this process may use: affinity and cgroup quota (libuv reads both cgroup versions). */
  readonly availableCpus: number;
  readonly allCpus: number;
  /** `ENVOY_CGROUP_CPU_DETECTION=false` sizes by all CPUs, as Envoy before 1.37. */
  readonly cgroupCpuDetection: boolean;
}

export function readHostFacts(): HostFacts {
  return {
    availableCpus: os().availableParallelism(),
    allCpus: os().cpus().length,
    cgroupCpuDetection: process.env['ENVOY_CGROUP_CPU_DETECTION'] !== 'false',
  };
}

/** For access logs: the host's name and the process's environment. */
export function readHostEnvironment(): {
  readonly hostname: string;
  readonly environment: ReadonlyMap<string, string>;
} {
  const environment = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) environment.set(name, value);
  }
  return { hostname: os().hostname(), environment };
}

/** One mistake in the command line; becomes `ParsedOptions` of kind error. */
class OptionError extends Error {}

const SPECS = new Map<string, OptionSpec>(
  OPTION_TABLE.flatMap((spec) => spec.flags.map((flag) => [flag, spec] as const)),
);

/** Values by long flag name. */
type RawValues = Map<string, string[]>;

export function parseOptions(args: readonly string[], host: HostFacts): ParsedOptions {
  try {
    const values = collect(args);
    if (values.has('--help')) return { kind: 'print', text: usageText() };
    if (values.has('--version')) return { kind: 'print', text: versionText() };
    if (values.has('--hot-restart-version')) return { kind: 'print', text: 'disabled\n' };
    return { kind: 'run', options: buildOptions(values, args, host) };
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    return { kind: 'error', text: `${error.message}\n\n${usageText()}` };
  }
}

function collect(args: readonly string[]): RawValues {
  const values: RawValues = new Map();
  let index = 0;
  while (index < args.length) {
    const { flag, inlineValue } = splitFlag(args[index]!);
    const spec = SPECS.get(flag);
    if (spec === undefined) throw new OptionError(unknownArgument(flag));
    index++;
    let value = '';
    if (spec.kind === 'switch') {
      if (inlineValue !== undefined) throw new OptionError(`${flag}: takes no value`);
    } else if (inlineValue !== undefined) {
      value = inlineValue;
    } else {
      const next = args[index];
      if (next === undefined) throw new OptionError(`${flag}: needs a value <${spec.argument}>`);
      value = next;
      index++;
    }
    checkValue(flag, spec, value);
    const name = spec.flags[0]!;
    const known = values.get(name);
    if (known === undefined) values.set(name, [value]);
    else if (spec.repeated) known.push(value);
    else if (spec.kind !== 'switch') throw new OptionError(`${flag}: given more than once`);
  }
  return values;
}

function splitFlag(arg: string): {
  readonly flag: string;
  readonly inlineValue: string | undefined;
} {
  const equals = arg.startsWith('-') ? arg.indexOf('=') : -1;
  if (equals < 0) return { flag: arg, inlineValue: undefined };
  return { flag: arg.slice(0, equals), inlineValue: arg.slice(equals + 1) };
}

function unknownArgument(arg: string): string {
  if (arg.startsWith('-')) return `unknown flag ${arg}`;
  return `unexpected argument '${arg}'; every value belongs to a flag`;
}

function checkValue(flag: string, spec: OptionSpec, value: string): void {
  if (spec.kind === 'choice' && !spec.choices.includes(value)) {
    throw new OptionError(`${flag}: '${value}' is none of ${spec.choices.join(', ')}`);
  }
  if (spec.kind === 'count' && !(/^\d{1,10}$/.test(value) && Number(value) <= MAX_COUNT)) {
    throw new OptionError(`${flag}: '${value}' is not a whole number from 0 to ${MAX_COUNT}`);
  }
}

function buildOptions(values: RawValues, args: readonly string[], host: HostFacts): ServerOptions {
  const text = (name: string, otherwise = ''): string => values.get(name)?.[0] ?? otherwise;
  const count = (name: string, otherwise: number): number =>
    values.has(name) ? Number(text(name)) : otherwise;
  const on = (name: string): boolean => values.has(name);
  const options: ServerOptions = {
    configPath: text('--config-path'),
    configYaml: text('--config-yaml'),
    mode: text('--mode', 'serve') as ServerOptions['mode'],
    concurrency: concurrencyOf(values.get('--concurrency')?.[0], host),
    logLevel: levelOf(text('--log-level', 'info')),
    componentLogLevels: componentLevels(text('--component-log-level')),
    logPath: text('--log-path'),
    logFormat: text('--log-format', '[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v'),
    serviceNode: text('--service-node'),
    serviceCluster: text('--service-cluster'),
    serviceZone: text('--service-zone'),
    drainTimeS: count('--drain-time-s', 600),
    drainStrategy: text('--drain-strategy', 'gradual') as DrainStrategy,
    parentShutdownTimeS: count('--parent-shutdown-time-s', 900),
    localAddressIpVersion: text('--local-address-ip-version', 'v4') as 'v4' | 'v6',
    fileFlushIntervalMs: count('--file-flush-interval-msec', 10_000),
    fileFlushMinSizeKb: count('--file-flush-min-size-kb', 64),
    allowUnknownStaticFields: on('--allow-unknown-static-fields'),
    rejectUnknownDynamicFields: on('--reject-unknown-dynamic-fields'),
    ignoreUnknownDynamicFields: on('--ignore-unknown-dynamic-fields'),
    skipUnknownExtensions: on('--skip-unknown-extensions'),
    passUnenforced: on('--pass-unenforced'),
    guardReplays: on('--guard-replays'),
    replayStale: !on('--no-stale-replays'),
    skipDeprecatedLogs: on('--skip-deprecated-logs'),
    leashFd: on('--leash-fd') ? count('--leash-fd', 0) : undefined,
    early: earlyListeners(
      text('--early-listeners'),
      count('--early-hold-msec', DEFAULT_EARLY_HOLD_MS),
    ),
    adminAddressPath: text('--admin-address-path'),
    baseId: count('--base-id', 0),
    restartEpoch: count('--restart-epoch', 0),
    disableHotRestart: on('--disable-hot-restart'),
    cpusetThreads: on('--cpuset-threads'),
    socketPath: text('--socket-path', '@envoy_domain_socket'),
    socketMode: text('--socket-mode', '600'),
    statsTags: (values.get('--stats-tag') ?? []).map(statsTag),
    arguments: [...args],
  };
  if (options.configPath === '' && options.configYaml === '') {
    throw new OptionError('no bootstrap: give --config-path <file>, --config-yaml <yaml>, or both');
  }
  return Object.freeze(options);
}

/** More threads than this help nobody and would each take megabytes. */
const MAX_CONCURRENCY = 256;

function concurrencyOf(given: string | undefined, host: HostFacts): number {
  if (given !== undefined && Number(given) > MAX_CONCURRENCY) {
    throw new OptionError(`--concurrency: ${given} is above the largest value ${MAX_CONCURRENCY}`);
  }
  // Envoy takes 0 for 1.
  if (given !== undefined) return Math.max(1, Number(given));
  const cpuCount = host.cgroupCpuDetection ? host.availableCpus : host.allCpus;
  return Math.min(MAX_CONCURRENCY, Math.max(1, cpuCount));
}

function levelOf(name: string): LogLevel {
  return name === 'warn' ? 'warning' : (name as LogLevel);
}

const LEVEL_NAMES: ReadonlySet<string> = new Set(SPECS.get('--log-level')!.choices);

function componentLevels(list: string): readonly ComponentLogLevel[] {
  if (list === '') return [];
  return list.split(',').map((entry) => {
    const [component, level, ...rest] = entry.split(':');
    if (
      component === undefined ||
      level === undefined ||
      rest.length > 0 ||
      !/^[a-z0-9_-]+$/.test(component)
    ) {
      throw new OptionError(`--component-log-level: '${entry}' is not <component>:<level>`);
    }
    if (!LEVEL_NAMES.has(level)) {
      throw new OptionError(
        `--component-log-level: '${level}' is none of ${[...LEVEL_NAMES].join(', ')}`,
      );
    }
    return { component, level: levelOf(level) };
  });
}

const DEFAULT_EARLY_HOLD_MS = 15_000;
const MAX_EARLY_LISTENERS = 16;
const IP_AND_PORT = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/;

function earlyListeners(list: string, holdMs: number): EarlyListeners | undefined {
  if (list === '') return undefined;
  const addresses = list.split(',').map((entry) => {
    const [, v6, v4, digits] = IP_AND_PORT.exec(entry) ?? [];
    const address = v6 ?? v4 ?? '';
    const port = Number(digits);
    if (ipFamily(address) === 0 || !(port >= 1 && port <= 65535))
      throw new OptionError(`--early-listeners: '${entry}' is not <ip>:<port>`);
    return { kind: 'ip' as const, address, port };
  });
  if (addresses.length > MAX_EARLY_LISTENERS)
    throw new OptionError(`--early-listeners: more than ${MAX_EARLY_LISTENERS}`);
  return { addresses, holdMs };
}

function statsTag(entry: string): { readonly name: string; readonly value: string } {
  const colon = entry.indexOf(':');
  if (colon < 1 || colon === entry.length - 1) {
    throw new OptionError(`--stats-tag: '${entry}' is not <name>:<value>`);
  }
  return { name: entry.slice(0, colon), value: entry.slice(colon + 1) };
}
