// [m] pilot-agent as a program, from its launcher on: with a stand-in for the proxy, or the proxy that the test names, and a recording of istiod above.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { boundCommand } from './bound-command.ts';
import { isAlive } from './fake-proxy.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';
import { recordedDelta, startRecordedControlPlane } from './recorded-control-plane.ts';
import { freePort } from './free-port.ts';
import { ask } from './test-http.ts';

const LAUNCHER = join(import.meta.dirname, '../../agent/bin/pilot-agent');
const FAKE_ENVOY = join(import.meta.dirname, './fake-envoy.ts');

export interface Run {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  output(): string;
}

export function runAgent(
  t: Teardowns,
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
): Run {
  const env = { PATH: process.env['PATH'] ?? '', OUTRIGGER_NODE: process.execPath, ...variables };
  const child = spawn(...boundCommand(LAUNCHER, words), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (output += text));
  }
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  t.teardown(() => child.kill('SIGTERM'));
  return { child, exitCode, output: () => output };
}

export interface Sidecar extends Run {
  readonly variables: Readonly<Record<string, string>>;
  readonly statusPort: number;
  readonly workDir: string;
  proxyPids(): number[];
}

export async function startSidecar(
  t: Teardowns,
  config: Readonly<Record<string, unknown>> = {},
): Promise<Sidecar> {
  const dir = privateDir(t);
  const proxyPath = join(dir, 'proxy');
  writeFileSync(proxyPath, `#!/bin/sh\nexec '${process.execPath}' '${FAKE_ENVOY}' "$@"\n`);
  chmodSync(proxyPath, 0o755);
  const istiod = await startRecordedControlPlane(t, {
    delta: recordedDelta('01-bookinfo/productpage'),
  });
  const [statusPort, proxyAdminPort, readyPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const workDir = join(dir, 'w');
  const variables = {
    INSTANCE_IP: '127.0.0.1',
    POD_NAME: 'productpage-v1-0',
    POD_NAMESPACE: 'default',
    OUTRIGGER_BIND_ADDRESS: '127.0.0.1',
    // Other tests on this machine have these ports too.
    OUTRIGGER_EARLY_LISTENERS: 'none',
    OUTRIGGER_SDS_DIR: dir,
    ENVOY_STATUS_PORT: String(readyPort),
    XDS_ADDR: istiod.target,
    PROXY_CONFIG: JSON.stringify({
      controlPlaneAuthPolicy: 'NONE',
      binaryPath: proxyPath,
      configPath: workDir,
      proxyAdminPort,
      statusPort,
      terminationDrainDuration: '0.1s',
      ...config,
    }),
  };
  const run = runAgent(t, ['proxy', 'sidecar'], variables);
  const proxyPids = (): number[] =>
    [...run.output().matchAll(/fake-envoy pid (\d+)/g)].map(([, pid]) => Number(pid));
  t.teardown(() => {
    for (const pid of proxyPids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  return { ...run, variables, statusPort, workDir, proxyPids };
}

export const isReady = async (sidecar: Sidecar): Promise<boolean> => {
  try {
    return (await ask(sidecar.statusPort, 'GET', '/healthz/ready')).status === 200;
  } catch {
    return false;
  }
};
