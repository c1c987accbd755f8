// ServerOptions: Envoy's command line, its defaults and what is refused.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseOptions } from '../../../proxy/server/options.ts';
import type { HostFacts, ServerOptions } from '../../../proxy/server/options.ts';
import { VERSION } from '../../../proxy/server/version.ts';

const host: HostFacts = { availableCpus: 3, allCpus: 64, cgroupCpuDetection: true };

function run(args: readonly string[], facts: HostFacts = host): ServerOptions {
  const parsed = parseOptions(args, facts);
  if (parsed.kind !== 'run') throw new Error(parsed.text.split('\n')[0]);
  return parsed.options;
}

function errorOf(args: readonly string[]): string {
  const parsed = parseOptions(args, host);
  return parsed.kind === 'error' ? parsed.text : `no error but ${parsed.kind}`;
}

t.test('parseOptions', (t) => {
  t.test('has the defaults of Envoy', (t) => {
    const options = run(['-c', 'a.yaml']);
    t.match(options, {
      configPath: 'a.yaml',
      mode: 'serve',
      concurrency: 3,
      logLevel: 'info',
      drainTimeS: 600,
      drainStrategy: 'gradual',
      parentShutdownTimeS: 900,
      localAddressIpVersion: 'v4',
      fileFlushIntervalMs: 10_000,
      fileFlushMinSizeKb: 64,
      restartEpoch: 0,
      allowUnknownStaticFields: false,
    });
    t.ok(Object.isFrozen(options));
    t.end();
  });

  t.test('takes the line that pilot-agent writes', (t) => {
    const line =
      '-c etc/istio/proxy/envoy-rev.json --drain-time-s 45 --drain-strategy immediate --local-address-ip-version v4 ' +
      '--file-flush-interval-msec 1000 --disable-hot-restart --allow-unknown-static-fields -l warning ' +
      '--component-log-level misc:error --skip-deprecated-logs --concurrency 2';
    t.match(run(line.split(' ')), {
      configPath: 'etc/istio/proxy/envoy-rev.json',
      drainTimeS: 45,
      drainStrategy: 'immediate',
      fileFlushIntervalMs: 1000,
      disableHotRestart: true,
      allowUnknownStaticFields: true,
      logLevel: 'warning',
      componentLogLevels: [{ component: 'misc', level: 'error' }],
      skipDeprecatedLogs: true,
      concurrency: 2,
      guardReplays: false,
      replayStale: true,
    });
    t.equal(run(['-c', 'a.yaml', '--guard-replays']).guardReplays, true);
    t.equal(run(['-c', 'a.yaml', '--no-stale-replays']).replayStale, false);
    t.end();
  });

  const rows: readonly (readonly [string, readonly string[], Partial<ServerOptions>])[] = [
    ['value after =', ['--config-path=a', '--drain-time-s=7'], { configPath: 'a', drainTimeS: 7 }],
    ['= inside a value', ['--config-yaml=a: "b=c"'], { configYaml: 'a: "b=c"' }],
    ['value that looks like a flag', ['-c', '-x'], { configPath: '-x' }],
    ['short log level', ['-c', 'a', '-l', 'warn'], { logLevel: 'warning' }],
    ['concurrency 0 is 1', ['-c', 'a', '--concurrency', '0'], { concurrency: 1 }],
    ['validate', ['-c', 'a', '--mode', 'validate'], { mode: 'validate' }],
    [
      'a switch twice',
      ['-c', 'a', '--cpuset-threads', '--cpuset-threads'],
      { cpusetThreads: true },
    ],
    [
      'node from flags',
      ['-c', 'a', '--service-node', 'n', '--service-cluster', 'k', '--service-zone', 'z'],
      { serviceNode: 'n', serviceCluster: 'k', serviceZone: 'z' },
    ],
    [
      'stats tags',
      ['-c', 'a', '--stats-tag', 'x:1', '--stats-tag', 'y:2:3'],
      {
        statsTags: [
          { name: 'x', value: '1' },
          { name: 'y', value: '2:3' },
        ],
      },
    ],
  ];
  for (const [name, args, expected] of rows) {
    t.test(`takes ${name}`, (t) => {
      t.match(run(args), expected);
      t.end();
    });
  }

  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [['-c', 'a', '--frobnicate'], /^unknown flag --frobnicate\n/],
    [['-c', 'a', '--frobnicate=1'], /^unknown flag --frobnicate\n/],
    [['a.yaml'], /^unexpected argument 'a.yaml'/],
    [['-c'], /^-c: needs a value <path>/],
    [['--concurrency', 'two', '-c', 'a'], /^--concurrency: 'two' is not a whole number/],
    [['--concurrency', '-1', '-c', 'a'], /^--concurrency: '-1' is not a whole number/],
    [['--concurrency', '4294967296', '-c', 'a'], /is not a whole number/],
    [['--concurrency', '9999', '-c', 'a'], /above the largest value/],
    [['--drain-time-s', '1e3', '-c', 'a'], /is not a whole number/],
    [['--mode', 'run', '-c', 'a'], /^--mode: 'run' is none of serve, validate, init_only/],
    [['-l', 'loud', '-c', 'a'], /^-l: 'loud' is none of trace/],
    [['--component-log-level', 'x', '-c', 'a'], /^--component-log-level: 'x' is not/],
    [['--component-log-level', 'x:loud', '-c', 'a'], /'loud' is none of/],
    [['--disable-hot-restart=1', '-c', 'a'], /takes no value/],
    [['-c', 'a', '--config-path', 'b'], /given more than once/],
    [['--stats-tag', 'x', '-c', 'a'], /is not <name>:<value>/],
    [[], /^no bootstrap: give --config-path/],
  ];
  for (const [args, expected] of mistakes) {
    t.test(`refuses ${JSON.stringify(args)} with usage`, (t) => {
      const text = errorOf(args);
      t.match(text, expected);
      t.match(text, /usage: outrigger-proxy/);
      t.end();
    });
  }

  t.test('sizes by all CPUs where cgroup detection is off', (t) => {
    t.equal(run(['-c', 'a'], { ...host, cgroupCpuDetection: false }).concurrency, 64);
    t.end();
  });

  t.test('prints help and version', (t) => {
    const help = parseOptions(['--help'], host);
    t.equal(help.kind, 'print');
    t.match(help, { text: /--config-path <path>/ });
    const version = parseOptions(['--version'], host);
    t.match(version, {
      kind: 'print',
      text: /version: [0-9a-f]{40}\/\d+\.\d+\.\d+\/Clean\/RELEASE\//,
    });
    t.end();
  });

  t.test('knows the version of the package', (t) => {
    const file = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    t.equal(VERSION, (JSON.parse(file) as { version: string }).version);
    t.end();
  });
  t.end();
});
