// @long @timeout 180 s
// [m] pilot-agent with our real proxy while the control plane is away: a proxy that is killed, and then its agent too, serve on with what was kept.
import { statSync } from 'node:fs';
import { request } from 'node:http';
import t from 'tap';

import { eventually } from '../support/eventually.ts';
import { loadOnce, splitYaml, startSidecarMesh } from '../support/sidecar-mesh.ts';
import type { SidecarMesh } from '../support/sidecar-mesh.ts';

t.setTimeout(120_000);

interface Ready {
  readonly status: number;
  readonly warning: string;
}

function askReady(host: string): Promise<Ready> {
  return new Promise((resolve) => {
    const sent = request({ host, port: 15020, path: '/healthz/ready' }, (response) => {
      const warning = response.headers['x-outrigger-warning'];
      response.resume();
      resolve({
        status: response.statusCode ?? 0,
        warning: typeof warning === 'string' ? warning : '',
      });
    });
    sent.on('error', () => resolve({ status: 0, warning: '' }));
    sent.end();
  });
}

const metric = (host: string, name: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const sent = request({ host, port: 15020, path: '/stats/prometheus' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]));
    });
    sent.on('error', () => resolve(undefined));
    sent.end();
  });

const serves = async ({ serviceAddress }: SidecarMesh): Promise<boolean> =>
  (await loadOnce(serviceAddress)).status === 200;

t.test('A control plane that is away', { skip: process.platform !== 'linux' }, async (t) => {
  const mesh = await startSidecarMesh(t);
  const server = mesh.serverAddress;
  await eventually('what the proxies took is kept', () => {
    const files = [mesh.caller, mesh.server].map(
      ({ folder }) => `${folder}/etc/istio/proxy/last-good-config`,
    );
    return files.every((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found !== undefined && (found.mode & 0o777) === 0o600;
    });
  });
  mesh.stopControlPlane();
  await eventually('the agent knows', async () => {
    return (await metric(server, 'outrigger_agent_control_plane_connected')) === '0';
  });
  t.equal(
    await metric(server, 'outrigger_agent_config_stale'),
    '0',
    'the proxy has what is current',
  );
  t.ok(await serves(mesh));

  t.test('leaves proxies that are killed with what was kept', async (t) => {
    for (const { proxyPid } of [mesh.server, mesh.caller]) process.kill(proxyPid()!, 'SIGKILL');
    const killedMs = performance.now();
    await eventually('it serves', () => serves(mesh), 30_000);
    t.comment(`served again ${(performance.now() - killedMs).toFixed(0)} ms after kill -9`);
    await eventually('ready', async () => (await askReady(server)).status === 200);
    t.match(await askReady(server), {
      status: 200,
      warning: /configuration as kept on disk, last changed .*: the control plane is away/,
    });
    t.equal(await metric(server, 'outrigger_agent_config_stale'), '1');
  });

  const agents = [mesh.caller, mesh.server];
  t.test('leaves agents that are killed too with it', async (t) => {
    for (const { agent } of agents) agent.kill('SIGKILL');
    await eventually('all of it gone', async () => !(await serves(mesh)));
    await eventually('agents gone', () => agents.every(({ agent }) => agent.signalCode !== null));
    for (const sidecar of agents.splice(0)) agents.push(sidecar.again());
    const startedMs = performance.now();
    await eventually('it serves', () => serves(mesh), 30_000);
    t.comment(
      `serves ${(performance.now() - startedMs).toFixed(0)} ms after the start of both agents`,
    );
    t.match((await askReady(server)).warning, /as kept on disk/);
  });

  t.test('is heard as soon as it is back, without a request lost', async (t) => {
    // What changed meanwhile.
    mesh.write('routing.yaml', splitYaml(0, 100));
    const failed: unknown[] = [];
    await mesh.startControlPlane();
    await eventually(
      'the new routes hold',
      async () => {
        const answer = await loadOnce(mesh.serviceAddress);
        if (answer.status !== 200) failed.push(answer);
        return (
          agents.every(({ output }) => output().includes('the control plane is back')) &&
          answer.body === 'v2'
        );
      },
      60_000,
    );
    t.strictSame(failed, []);
    await eventually('no warning any more', async () => (await askReady(server)).warning === '');
    t.equal(await metric(server, 'outrigger_agent_config_stale'), '0');
    t.equal(await metric(server, 'outrigger_agent_control_plane_connected'), '1');
  });
});
