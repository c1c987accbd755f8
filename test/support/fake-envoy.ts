// [m] A program that takes the proxy's command line and plays its admin: ready once its ADS stream brought clusters and listeners.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { connectAds } from '../../xds-protos/services.ts';

interface Bootstrap {
  readonly admin: {
    readonly address: {
      readonly socket_address: { readonly address: string; readonly port_value: number };
    };
  };
  readonly node: { readonly id: string; readonly cluster: string };
  readonly static_resources: {
    readonly clusters: readonly {
      readonly name: string;
      readonly load_assignment: {
        readonly endpoints: readonly {
          readonly lb_endpoints: readonly {
            readonly endpoint: { readonly address: { readonly pipe?: { readonly path: string } } };
          }[];
        }[];
      };
    }[];
  };
}

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const LDS = 'type.googleapis.com/envoy.config.listener.v3.Listener';

const configPath = process.argv[process.argv.indexOf('-c') + 1] ?? '';
const bootstrap = JSON.parse(readFileSync(configPath, 'utf8')) as Bootstrap;
const { address, port_value: port } = bootstrap.admin.address.socket_address;
const xdsCluster = bootstrap.static_resources.clusters.find(({ name }) => name === 'xds-grpc');
const socketPath =
  xdsCluster?.load_assignment.endpoints[0]?.lb_endpoints[0]?.endpoint.address.pipe?.path;
const received = new Set<string>();

const stream = connectAds(`unix:${socketPath}`).delta();
stream.onMessage((response) => {
  received.add(response.type_url ?? '');
  stream.send({ type_url: response.type_url, response_nonce: response.nonce });
});
stream.onEnd(() => {});
stream.send({ type_url: CDS, node: { id: bootstrap.node.id, cluster: bootstrap.node.cluster } });
stream.send({ type_url: LDS });

createServer((request, response) => {
  process.stdout.write(`fake-envoy ${request.method} ${request.url}\n`);
  const count = (typeUrl: string): number => (received.has(typeUrl) ? 1 : 0);
  response.end(
    `cluster_manager.cds.update_success: ${count(CDS)}\n` +
      `listener_manager.lds.update_success: ${count(LDS)}\n` +
      `listener_manager.workers_started: 1\nserver.state: 0\n`,
  );
}).listen(port, address);
process.stdout.write(`fake-envoy pid ${process.pid}\n`);
