// The process: exit codes, what it prints where, signals, a port that is taken. Runs the real proxy with its launcher.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { boundCommand } from '../../support/bound-command.ts';
import { eventually } from '../../support/eventually.ts';

const LAUNCHER = join(import.meta.dirname, '../../../proxy/bin/outrigger-proxy');
const PILOT_AGENT = join(import.meta.dirname, '../../fixtures/pilot-agent/bootstrap-1.26.json');

const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

const BAD_COMMAND = {
  static_resources: {
    listeners: [
      {
        name: 'l',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                  stat_prefix: 's',
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'v',
                        domains: ['*'],
                        request_headers_to_add: [{ header: { key: 'a', value: '%NOPE%' } }],
                      },
                    ],
                  },
                  http_filters: [
                    {
                      name: 'envoy.filters.http.router',
                      typed_config: {
                        '@type':
                          'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                      },
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  },
};

interface Run {
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  kill(signal: NodeJS.Signals): void;
}

function start(args: readonly string[]): Run {
  const child = spawn(...boundCommand(LAUNCHER, args), { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return { exit, stdout: () => stdout, stderr: () => stderr, kill: (signal) => child.kill(signal) };
}

const live = (run: Run) => eventually('live', () => run.stderr().includes('the server is live'));

t.test('outrigger-proxy', (t) => {
  const rows: readonly (readonly [string, readonly string[], number, RegExp, RegExp])[] = [
    ['prints its version', ['--version'], 0, /outrigger-proxy {2}version: /, /^$/],
    ['refuses unknown flags', ['-c', 'a', '--frob'], 1, /^$/, /^unknown flag --frob\n[^]*usage: /],
    [
      'refuses a missing file',
      ['-c', 'no/such.yaml'],
      1,
      /^$/,
      /critical[^]*bootstrap 'no\/such.yaml': cannot be read/,
    ],
    [
      'refuses an unknown field with its path',
      ['--mode', 'validate', '--config-yaml', 'static_resources: {clusters: [{name: a, frob: 1}]}'],
      1,
      /^$/,
      /--config-yaml: static_resources\.clusters\[0\].*frob/,
    ],
    [
      'refuses a listener that workers could not compile',
      ['--mode', 'validate', '--config-yaml', JSON.stringify(BAD_COMMAND)],
      1,
      /^$/,
      /--config-yaml: listener 'l': virtual_hosts\[0\]\.request_headers_to_add\[0\].*NOPE/,
    ],
    [
      'validates what pilot-agent writes',
      [
        '-c',
        PILOT_AGENT,
        '--mode=validate',
        '--allow-unknown-static-fields',
        '--skip-deprecated-logs',
      ],
      0,
      /^configuration '.*bootstrap-1.26.json' OK\n$/,
      /^$/,
    ],
    [
      'refuses a log file it cannot open',
      ['-c', PILOT_AGENT, '--log-path', '/no/such/log'],
      1,
      /^$/,
      /^--log-path: /,
    ],
  ];
  for (const [name, args, code, stdout, stderr] of rows) {
    t.test(name, async (t) => {
      const run = start(args);
      t.match(await run.exit, { code });
      t.match(run.stdout(), stdout);
      t.match(run.stderr(), stderr);
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    t.test(`ends with exit code 0 on ${signal}, after signals that mean nothing`, async (t) => {
      const run = start(['--config-yaml', 'node: {id: n, cluster: c}', '--concurrency', '1']);
      await live(run);
      run.kill('SIGHUP');
      run.kill('SIGUSR1');
      run.kill(signal);
      t.match(await run.exit, { code: 0, signal: null });
      t.notMatch(run.stderr(), /Debugger listening/);
    });
  }

  t.test('answers /quitquitquit before it ends with exit code 0', async (t) => {
    const address = '{socket_address: {address: 127.0.0.1, port_value: 0}}';
    const run = start(['--config-yaml', `admin: {address: ${address}}`, '--concurrency', '1']);
    await live(run);
    const admin = /admin address: (127\.0\.0\.1:\d+)/.exec(run.stderr())?.[1];
    const answer = await fetch(`http://${admin}/quitquitquit`, { method: 'POST' });
    t.equal(await answer.text(), 'OK\n');
    t.match(await run.exit, { code: 0, signal: null });
  });

  t.test('ends with exit code 1 when a static listener cannot bind, and says which', async (t) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    t.teardown(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const filters = `[{name: t, typed_config: {"@type": ${TCP_PROXY}, stat_prefix: t, cluster: c}}]`;
    const address = `{socket_address: {address: 127.0.0.1, port_value: ${port}}}`;
    const listeners = `[{name: l, address: ${address}, filter_chains: [{filters: ${filters}}]}]`;
    const bootstrap = `static_resources: {clusters: [{name: c}], listeners: ${listeners}}`;
    const run = start(['--config-yaml', bootstrap, '--concurrency', '1']);
    t.match(await run.exit, { code: 1 }, run.stderr());
    t.match(run.stderr(), `cannot bind '127.0.0.1:${port}'`);
  });
  t.end();
});
