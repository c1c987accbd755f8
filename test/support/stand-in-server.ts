// A Server in this process whose workers are stand-ins without a data path: real bootstrap, xDS, warming and threads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { realTime } from '../../proxy/base/clock.ts';
import { LoggerRegistry } from '../../proxy/base/logger.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import type { AdminContext } from '../../proxy/server/admin-context.ts';
import { loadBootstrap } from '../../proxy/server/bootstrap.ts';
import { parseOptions } from '../../proxy/server/options.ts';
import { ProcessLog } from '../../proxy/server/process-log.ts';
import { Server } from '../../proxy/server/server.ts';
import { decodeBootstrap } from '../../proxy/xds/bootstrap-decoder.ts';
import { channelTo } from './grpc-channel-to.ts';
import { AccessLogService } from '../../proxy/xds/access-log-service.ts';
import { grpcAdsTransport } from '../../proxy/xds/grpc-ads-transport.ts';

export interface StandInServer {
  readonly server: Server;
  readonly admin: AdminContext;
  /** `level component message`, of main. */
  readonly lines: readonly string[];
  /** Values of the merged stats by name. */
  stats(): Promise<ReadonlyMap<string, number>>;
}

const PILOT_AGENT_BOOTSTRAP = join(
  import.meta.dirname,
  '../fixtures/pilot-agent/bootstrap-1.26.json',
);

/** What pilot-agent writes, on ports of the kernel's choice, with its ADS and its secrets at host:port each. */
export function pilotAgentBootstrap(target: string, secretsTarget: string): string {
  const [host, port] = target.split(':');
  const [secretsHost, secretsPort] = secretsTarget.split(':');
  return readFileSync(PILOT_AGENT_BOOTSTRAP, 'utf8')
    .replace(
      '"pipe": {\n                    "path": "./etc/XDS"\n                  }',
      `"socket_address": {"address": "${host}", "port_value": ${port}}`,
    )
    .replace(
      /"pipe": \{\s*"path": ".\/var\/run\/secrets\/workload-spiffe-uds\/socket"\s*\}/,
      `"socket_address": {"address": "${secretsHost}", "port_value": ${secretsPort}}`,
    )
    .replace('"port_value": 15090', '"port_value": 0')
    .replace('"port_value": 15021', '"port_value": 0');
}

export async function startStandInServer(
  t: { teardown(fn: () => void | Promise<void>): void },
  configText: string,
  settings: { readonly adsTarget?: string; readonly concurrency?: number } = {},
): Promise<StandInServer> {
  const args = ['--config-yaml', configText, '--concurrency', String(settings.concurrency ?? 2)];
  const parsed = parseOptions([...args, '--allow-unknown-static-fields', '--drain-time-s', '45'], {
    availableCpus: 1,
    allCpus: 1,
    cgroupCpuDetection: true,
  });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  const bootstrap = await loadBootstrap(parsed.options, decodeBootstrap);
  const lines: string[] = [];
  const loggers = new LoggerRegistry('info', (r) =>
    lines.push(`${r.level} ${r.component} ${r.message}`),
  );
  let admin: AdminContext | undefined;
  const { node } = bootstrap.config;
  const server = new Server({
    options: parsed.options,
    bootstrap,
    time: realTime,
    random: new SeededRandom(1),
    processLog: new ProcessLog('/dev/null', realTime),
    loggers,
    workerEntry: new URL('./stand-in-worker.ts', import.meta.url),
    openAdsTransport: () =>
      Promise.resolve(
        grpcAdsTransport({
          channel: channelTo(settings.adsTarget ?? ''),
          node,
          userAgentVersion: '',
        }),
      ),
    openAccessLogs: (needs) =>
      Promise.resolve(new AccessLogService({ ...needs, node, userAgentVersion: '' })),
    createAdmin: (context) => {
      admin = context;
      return { listen: (address) => address, close: () => {} };
    },
  });
  t.teardown(() => server.stop());
  await server.start();
  if (admin === undefined) throw new Error('the bootstrap of a test names an admin address');
  const context = admin;
  const stats = async (): Promise<ReadonlyMap<string, number>> =>
    new Map((await context.collectStats()).map(({ name, value }) => [name, value]));
  return { server, admin: context, lines, stats };
}
