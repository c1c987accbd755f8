// [m] Port 0 of a static listener becomes one real port before workers bind it: each worker has a socket of its own, and
// each would be given another port. The port is free for an instant in between; only tests ask for port 0.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { ConfigResource } from '../config/config-resource.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';

export async function withRealPorts(
  listeners: readonly ConfigResource<ListenerConfig>[],
): Promise<readonly ConfigResource<ListenerConfig>[]> {
  const result: ConfigResource<ListenerConfig>[] = [];
  for (const resource of listeners) {
    const { config } = resource;
    if (!config.bindToPort || config.address.kind !== 'ip' || config.address.port !== 0) {
      result.push(resource);
      continue;
    }
    const address: AddressConfig = {
      ...config.address,
      port: await freePort(config.address.address),
    };
    result.push({ ...resource, config: { ...config, address } });
  }
  return result;
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen({ host, port: 0 }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
