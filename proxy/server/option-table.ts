// [m] The command line as a table: each of Envoy's flags that the proxy takes, and what it does with it.

export type OptionKind = 'text' | 'count' | 'switch' | 'choice';

export interface OptionSpec {
  /** With dashes, long name first. */
  readonly flags: readonly string[];
  readonly kind: OptionKind;
  /** Placeholder in the usage text; '' for switches. */
  readonly argument: string;
  readonly choices: readonly string[];
  /** May be given more than once. */
  readonly repeated: boolean;
  readonly help: string;
}

/** Largest number a `count` may be: what fits Envoy's uint32. */
export const MAX_COUNT = 4_294_967_295;

const LOG_LEVEL_NAMES = ['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off'];

function text(flags: readonly string[], argument: string, help: string): OptionSpec {
  return { flags, kind: 'text', argument, choices: [], repeated: false, help };
}

function count(flag: string, help: string): OptionSpec {
  return { flags: [flag], kind: 'count', argument: 'number', choices: [], repeated: false, help };
}

function flag(name: string, help: string): OptionSpec {
  return { flags: [name], kind: 'switch', argument: '', choices: [], repeated: false, help };
}

function choice(flags: readonly string[], choices: readonly string[], help: string): OptionSpec {
  return { flags, kind: 'choice', argument: choices.join('|'), choices, repeated: false, help };
}

const NO_EFFECT = 'Accepted for compatibility; has no effect.';

export const OPTION_TABLE: readonly OptionSpec[] = [
  text(['--config-path', '-c'], 'path', 'Bootstrap file, JSON or YAML.'),
  text(['--config-yaml'], 'yaml', 'Bootstrap as inline YAML; merged over the file.'),
  choice(
    ['--mode'],
    ['serve', 'validate', 'init_only'],
    'What to do with the bootstrap (default serve).',
  ),
  count('--concurrency', 'Worker threads (default: the CPUs this process may use).'),
  choice(['--log-level', '-l'], LOG_LEVEL_NAMES, 'Level of all components (default info).'),
  text(
    ['--component-log-level'],
    'list',
    'Levels by component, for example upstream:debug,xds:trace.',
  ),
  text(['--log-path'], 'path', 'Process log file (default standard error).'),
  text(['--log-format'], 'format', NO_EFFECT),
  flag('--log-format-escaped', NO_EFFECT),
  flag('--enable-fine-grain-logging', NO_EFFECT),
  text(['--service-node'], 'id', 'Node id; wins over the bootstrap.'),
  text(['--service-cluster'], 'name', 'Node cluster; wins over the bootstrap.'),
  text(['--service-zone'], 'zone', 'Node locality zone; wins over the bootstrap.'),
  count('--drain-time-s', 'Seconds a drain takes (default 600).'),
  choice(
    ['--drain-strategy'],
    ['gradual', 'immediate'],
    'How a drain asks clients to leave (default gradual).',
  ),
  count('--parent-shutdown-time-s', 'Accepted and shown in /server_info (default 900).'),
  choice(['--local-address-ip-version'], ['v4', 'v6'], 'Family of the local address (default v4).'),
  count('--file-flush-interval-msec', 'How often access logs are flushed (default 10000).'),
  count('--file-flush-min-size-kb', 'How much of an access log is flushed at once (default 64).'),
  flag('--allow-unknown-static-fields', 'Unknown bootstrap fields are no error.'),
  flag('--reject-unknown-dynamic-fields', 'xDS resources with unknown fields are refused.'),
  flag('--ignore-unknown-dynamic-fields', 'Unknown and deprecated xDS fields are not told.'),
  flag(
    '--skip-unknown-extensions',
    'Filters of unknown types are left out instead of refusing what has them (not in Envoy).',
  ),
  flag(
    '--pass-unenforced',
    'What security filters guard that this version does not enforce is let through (not in Envoy).',
  ),
  flag(
    '--guard-replays',
    'Never retry a request of a method that is not idempotent once bytes of it may have reached an upstream (not in Envoy; docs/replay-guard.md).',
  ),
  flag(
    '--no-stale-replays',
    'Requests that met a connection which the upstream had just closed fail, as in Envoy (docs/stale-connections.md).',
  ),
  count(
    '--leash-fd',
    'Descriptor that its starter holds the other end of: the proxy ends when that closes (not in Envoy).',
  ),
  text(
    ['--early-listeners'],
    'list',
    'Addresses (ip:port) that are open before their listeners come; connections wait there for the first configuration (not in Envoy).',
  ),
  count(
    '--early-hold-msec',
    'How long such a connection waits before it is cut (default 15000; not in Envoy).',
  ),
  text(['--admin-address-path'], 'path', 'File to write the admin address to.'),
  count('--base-id', NO_EFFECT),
  text(['--base-id-path'], 'path', NO_EFFECT),
  flag('--use-dynamic-base-id', NO_EFFECT),
  count('--restart-epoch', 'Accepted and shown; there is no hot restart (default 0).'),
  flag('--disable-hot-restart', 'Accepted; there is no hot restart.'),
  flag('--hot-restart-version', 'Prints the hot restart version and exits.'),
  flag('--skip-hot-restart-on-no-parent', NO_EFFECT),
  flag('--skip-hot-restart-parent-stats', NO_EFFECT),
  text(['--socket-path'], 'path', NO_EFFECT),
  text(['--socket-mode'], 'mode', NO_EFFECT),
  flag('--skip-deprecated-logs', 'Deprecated fields are not logged.'),
  flag('--enable-mutex-tracing', NO_EFFECT),
  flag('--enable-core-dump', NO_EFFECT),
  flag('--cpuset-threads', 'Accepted; the CPU affinity is always respected.'),
  text(['--disable-extensions'], 'list', NO_EFFECT),
  {
    ...text(['--stats-tag'], 'name:value', 'Tag put on every stat; may be repeated.'),
    repeated: true,
  },
  flag('--version', 'Prints the version and exits.'),
  { ...flag('--help', 'Prints this text and exits.'), flags: ['--help', '-h'] },
];
