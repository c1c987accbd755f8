// [m] One sidecar, pilot-agent and our proxy, without an app and without redirection: its ports are free ones, its control plane is the test's.
import { join } from 'node:path';

import { runAgent } from './agent-process.ts';
import { privateDir } from './private-dir.ts';
import type { Teardowns } from './private-dir.ts';
import { freePort } from './free-port.ts';

export interface LoneSidecar {
  /** Of the agent, or of what started it. */
  readonly pid: number;
  readonly statusPort: number;
  readonly readyPort: number;
  output(): string;
}

export async function startLoneSidecar(
  t: Teardowns,
  controlPlane: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<LoneSidecar> {
  const dir = privateDir(t);
  const [statusPort, readyPort, adminPort, prometheusPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ] as [number, number, number, number];
  const run = runAgent(t, ['proxy', 'sidecar'], {
    INSTANCE_IP: '127.0.0.1',
    POD_NAME: 'productpage-v1-0',
    POD_NAMESPACE: 'default',
    OUTRIGGER_BIND_ADDRESS: '127.0.0.1',
    // Other tests on this machine have these ports too.
    OUTRIGGER_EARLY_LISTENERS: 'none',
    OUTRIGGER_SDS_DIR: dir,
    ENVOY_STATUS_PORT: String(readyPort),
    ENVOY_PROMETHEUS_PORT: String(prometheusPort),
    XDS_ADDR: controlPlane,
    PROXY_CONFIG: JSON.stringify({
      controlPlaneAuthPolicy: 'NONE',
      configPath: join(dir, 'w'),
      proxyAdminPort: adminPort,
      statusPort,
      concurrency: 1,
      terminationDrainDuration: '0.1s',
    }),
    ...variables,
  });
  return { pid: run.child.pid!, statusPort, readyPort, output: run.output };
}
