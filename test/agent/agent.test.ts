// @timeout 120 s
// [m] pilot-agent as a program, from its launcher to its exit code, with a stand-in for the proxy and recordings of istiod above.
import { statSync } from 'node:fs';
import t from 'tap';

import { isReady, runAgent, startSidecar } from '../support/agent-process.ts';
import { eventually } from '../support/eventually.ts';
import { isAlive } from '../support/fake-proxy.ts';
import { ask, serveHttp } from '../support/test-http.ts';

t.test('pilot-agent proxy', (t) => {
  t.test(
    'starts, is ready, brings a killed proxy back, drains and leaves nothing behind',
    async (t) => {
      const sidecar = await startSidecar(t);
      const url = `http://127.0.0.1:${sidecar.statusPort}/healthz/ready`;
      const waiting = runAgent(
        t,
        ['wait', '--url', url, '--periodMillis', '20', '--timeoutSeconds=30'],
        {},
      );
      t.equal(await waiting.exitCode, 0, waiting.output() + sidecar.output());
      t.match(sidecar.output(), /ready \d+ ms after the start/);
      t.equal(statSync(sidecar.workDir).mode & 0o777, 0o700);

      const asked = runAgent(t, ['request', 'GET', 'stats?filter=x'], sidecar.variables);
      t.equal(await asked.exitCode, 0);
      t.match(asked.output(), 'server.state: 0\n');

      const [first] = sidecar.proxyPids();
      process.kill(first!, 'SIGKILL');
      await eventually('a second proxy', () => sidecar.proxyPids().length === 2);
      await eventually('ready again', () => isReady(sidecar));
      t.match(sidecar.output(), /proxy killed by SIGKILL \(signal 9\)/);
      t.match(
        (await ask(sidecar.statusPort, 'GET', '/stats/prometheus')).body,
        'outrigger_agent_proxy_restarts_total 1',
      );

      sidecar.child.kill('SIGTERM');
      t.equal(await sidecar.exitCode, 0);
      t.match(sidecar.output(), 'fake-envoy POST /drain_listeners?inboundonly&graceful\n');
      t.notOk(isAlive(sidecar.proxyPids()[1]!), 'the proxy is gone');
    },
  );

  t.test('opens no debugger to the pod on SIGUSR1', async (t) => {
    const sidecar = await startSidecar(t);
    await eventually('ready', () => isReady(sidecar));
    sidecar.child.kill('SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.equal((await ask(sidecar.statusPort, 'GET', '/metrics')).status, 200);
    t.notMatch(sidecar.output(), /Debugger/);
    t.equal(sidecar.child.exitCode, null);
  });

  t.test('quits without draining, and takes the proxy along', async (t) => {
    const sidecar = await startSidecar(t, { terminationDrainDuration: '1h' });
    await eventually('ready', () => isReady(sidecar));
    t.equal((await ask(sidecar.statusPort, 'POST', '/quitquitquit')).status, 200);
    t.equal(await sidecar.exitCode, 0);
    t.notMatch(sidecar.output(), 'drain_listeners');
    t.notOk(isAlive(sidecar.proxyPids()[0]!));
  });

  t.test('leaves with a proxy that cannot be started', async (t) => {
    const sidecar = await startSidecar(t, { binaryPath: '/nowhere/envoy' });
    t.equal(await sidecar.exitCode, 127);
    t.match(
      sidecar.output(),
      /could not be started: no such file; check ProxyConfig.binaryPath \(\/nowhere\/envoy\)/,
    );
  });

  t.test('names the option when its port is taken', async (t) => {
    const statusPort = await serveHttp(t, () => {});
    const sidecar = await startSidecar(t, { statusPort });
    t.equal(await sidecar.exitCode, 1);
    t.match(
      sidecar.output(),
      /cannot start: status server .* choose another ProxyConfig.statusPort/,
    );
  });

  t.end();
});

const FAILING: readonly (readonly [readonly string[], Readonly<Record<string, string>>, RegExp])[] =
  [
    [[], {}, /^usage: pilot-agent <command>/],
    [['dance'], {}, /unknown command "dance"\nusage: /],
    [['wait', '--dance'], {}, /unknown flag --dance\nusage: pilot-agent wait/],
    [['proxy'], { CA_PROVIDER: 'X' }, /CA_PROVIDER: only Citadel is known/],
    [
      ['proxy'],
      { ISTIO_BOOTSTRAP_OVERRIDE: '/' },
      /^pilot-agent: \/: is a folder; a file is wanted\n$/,
    ],
    [['request', 'GET'], {}, /request needs a method and a path\nusage: /],
    [
      ['request', 'GET', 'x', '--debug-port=80'],
      {},
      /--debug-port must be 15000, 15004, 15020 or 15021, not 80/,
    ],
    [['request', 'GET', '/a b'], {}, /a path without blanks/],
    [['wait', '--url', 'ftp://x'], {}, /--url must be an http:\/\/ address/],
    [
      ['wait', '--url', 'http://127.0.0.1:1/', '--timeoutSeconds', '1', '--periodMillis', '300'],
      {},
      /timeout waiting for Envoy proxy to become ready. Last error: ECONNREFUSED/,
    ],
    [['istio-iptables', '--dance'], {}, /unknown flag --dance/],
  ];

t.test('pilot-agent', (t) => {
  t.test('says what is wrong, and leaves with an exit code that is not 0', async (t) => {
    const runs = FAILING.map(([words, variables]) => runAgent(t, words, variables));
    for (const [index, run] of runs.entries()) {
      const [words, , wanted] = FAILING[index]!;
      t.not(await run.exitCode, 0, words.join(' '));
      t.match(run.output(), wanted, words.join(' '));
    }
  });

  t.test('tells its version and its usage', async (t) => {
    const version = runAgent(t, ['version'], {});
    const help = runAgent(t, ['proxy', '--help'], {});
    const json = runAgent(t, ['version', '-o', 'json'], {});
    const short = runAgent(t, ['version', '--short'], {});
    const completion = runAgent(t, ['completion', 'bash'], {});
    t.equal(await json.exitCode, 0);
    t.match(JSON.parse(json.output()), {
      clientVersion: { version: /^1\.\d+\.\d+$/, revision: /^outrigger-/, status: 'Clean' },
    });
    t.equal(await short.exitCode, 0);
    t.match(short.output(), /^1\.\d+\.\d+\n$/);
    t.equal(await completion.exitCode, 0);
    t.match(completion.output(), /complete -o default -F _pilot_agent pilot-agent\n$/);
    t.equal(await version.exitCode, 0);
    t.match(version.output(), /^outrigger \d+\.\d+\.\d+/);
    t.equal(await help.exitCode, 0);
    t.match(help.output(), /^usage: pilot-agent proxy/);
  });

  t.test('reports what a local port answers', async (t) => {
    const adminPort = await serveHttp(t, (request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(404).end('not here'));
    });
    const variables = { PROXY_CONFIG: JSON.stringify({ proxyAdminPort: adminPort }) };
    const run = runAgent(t, ['request', 'POST', '/logging?level=x', 'body'], variables);
    t.equal(await run.exitCode, 1);
    t.match(run.output(), /^not here.*POST \/logging\?level=x answered 404\n$/s);
  });

  t.end();
});
