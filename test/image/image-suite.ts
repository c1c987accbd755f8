// What an image must do, checked on its root folder with nothing of the work tree in reach: emitted JavaScript, run-time
// packages, the names that Istio's manifests call.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';
import { performImageSteps } from './image-steps.ts';

const BOOTSTRAP = join(import.meta.dirname, '../fixtures/pilot-agent/bootstrap-1.26.json');

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function imageSuite(name: string, copyPackages: boolean): void {
  t.test(name, (t) => {
    // Outside the work tree: the packages of the tree must not be found by walking up.
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-image-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const image = performImageSteps({ folder, copyPackages });
    const { root } = image;

    // As in the image: one node on PATH, and nothing of the tree.
    const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };
    const program = (path: string): string => join(root, 'usr/local/bin', path);
    const run = (path: string, ...args: string[]): Outcome =>
      spawnSync(program(path), args, { cwd: root, encoding: 'utf8', env });

    t.test('starts pilot-agent as uid 1337', (t) => {
      t.strictSame(image.entrypoint, ['/usr/local/bin/pilot-agent']);
      t.equal(image.user, '1337:1337');
      t.ok(existsSync(join(root, image.entrypoint[0]!)));
      t.match(image.notRun.join('\n'), /useradd --uid 1337/);
      t.end();
    });

    t.test('holds the folders a sidecar writes to', (t) => {
      const folders = [
        'etc/istio/proxy',
        'etc/istio/pod',
        'var/lib/istio/data',
        'run/secrets/workload-spiffe-uds',
      ];
      for (const path of folders) t.ok(existsSync(join(root, path)), path);
      t.end();
    });

    t.test('holds neither sources nor development packages', (t) => {
      const install = join(root, 'usr/lib/outrigger');
      t.notOk(existsSync(join(install, 'proxy/main.ts')));
      for (const dev of ['tap', 'typescript', 'oxlint', '@grpc/grpc-js-xds']) {
        t.notOk(existsSync(join(install, 'node_modules', dev)), dev);
      }
      const { dependencies } = JSON.parse(readFileSync(join(install, 'package.json'), 'utf8')) as {
        dependencies: Record<string, string>;
      };
      for (const name of Object.keys(dependencies)) {
        t.ok(existsSync(join(install, 'node_modules', name)), name);
      }
      t.end();
    });

    const iptables = ['--dry-run', '-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT'];
    const rows: readonly [path: string, args: readonly string[], stdout: RegExp][] = [
      ['outrigger-proxy', ['--version'], /outrigger-proxy {2}version: /],
      ['envoy', ['--version'], /version: /],
      ['envoy', ['--mode', 'validate', '-c', BOOTSTRAP, '--allow-unknown-static-fields'], /' OK\n/],
      ['pilot-agent', ['version'], /outrigger/],
      ['pilot-agent', ['istio-iptables', ...iptables], /-N ISTIO_IN_REDIRECT\n/],
      ['istio-iptables', iptables, /-N ISTIO_IN_REDIRECT\n/],
      ['outrigger-iptables', iptables, /-N ISTIO_IN_REDIRECT\n/],
      ['istio-clean-iptables', ['--help'], /usage: outrigger-iptables/],
      ['outrigger-control-plane', ['--help'], /--config/],
    ];
    for (const [path, args, stdout] of rows) {
      t.test(`runs ${path} ${args[0]}`, (t) => {
        const outcome = run(path, ...args);
        t.equal(outcome.status, 0, outcome.stderr);
        t.match(outcome.stdout, stdout);
        t.end();
      });
    }

    t.test('serves a request with two workers', async (t) => serves(t, program('envoy'), env));
    t.end();
  });
}

async function serves(t: Test, path: string, env: Record<string, string>): Promise<void> {
  const port = await freePort();
  const adminPort = await freePort();
  const child = spawn(path, ['--concurrency', '2', '--config-yaml', bootstrap(port, adminPort)], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const closed = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGTERM');
    await closed;
  });
  await eventually('live', () => stderr.includes('the server is live'));
  const reply = await ask(port, 'GET', '/');
  t.equal(reply.status, 200);
  t.equal(reply.body, 'from the image');
  t.match((await ask(adminPort, 'GET', '/ready')).body, /LIVE/);
}

function bootstrap(port: number, adminPort: number): string {
  const address = (portValue: number): object => ({
    socket_address: { address: '127.0.0.1', port_value: portValue },
  });
  const type = 'type.googleapis.com/envoy.extensions.filters';
  const manager = {
    '@type': `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'image',
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${type}.http.router.v3.Router` },
      },
    ],
    route_config: {
      name: 'image',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              direct_response: { status: 200, body: { inline_string: 'from the image' } },
            },
          ],
        },
      ],
    },
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  return JSON.stringify({
    node: { id: 'image', cluster: 'image' },
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        { name: 'image', address: address(port), filter_chains: [{ filters: [filter] }] },
      ],
    },
  });
}
