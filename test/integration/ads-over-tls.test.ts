// A proxy that speaks to its control plane itself, over TLS with a certificate of its own: only to one it can trust.
import t from 'tap';
import type { Test } from 'tap';

import { AdsServer } from '../../xds-protos/services.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyProcess, address } from '../support/proxy-process.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { caOf, certificateOf, upstreamTls } from '../support/tls-samples.ts';

t.setTimeout(60_000);

const root = TestCertificate.root();
const server = root.issue({ names: [{ dns: 'istiod.test' }] });
const client = root.issue({ names: [{ uri: 'spiffe://td/ns/a/sa/b' }] });

async function controlPlane(t: Test): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const ads = new AdsServer();
  ads.addHandlers({
    delta: (stream) => {
      const seen = new Set<string>();
      stream.onEnd(() => {});
      stream.onMessage(({ type_url }) => {
        const type = type_url ?? '';
        if (seen.has(type)) return;
        seen.add(type);
        asked.push(type);
        stream.send({ type_url: type, nonce: String(seen.size) });
      });
    },
    sotw: (stream) => stream.end(),
  });
  const tls = { clientRootPem: root.pem, chainPem: server.pem, keyPem: server.keyPem };
  const target = await ads.listen('127.0.0.1:0', tls);
  t.teardown(() => ads.close());
  return { port: Number(target.split(':').at(-1)), asked };
}

function bootstrap(port: number, trusted: TestCertificate): object {
  return {
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '1s' },
      lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '1s' },
    },
    static_resources: {
      listeners: [],
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
          },
          transport_socket: upstreamTls(
            { tls_certificates: [certificateOf(client)], validation_context: caOf(trusted) },
            { sni: 'istiod.test' },
          ),
        },
      ],
    },
  };
}

t.test('ADS over TLS', async (t) => {
  const { port, asked } = await controlPlane(t);

  await t.test('asks a control plane that it trusts', async (t) => {
    const proxy = await ProxyProcess.start(t, bootstrap(port, root) as never);
    await eventually('both types were asked for', () => asked.length === 2);
    await eventually(
      'it is connected',
      async () => (await proxy.stat('control_plane.connected_state')) === 1,
    );
    t.equal(await proxy.stat('cluster.xds.ssl.handshake'), 1);
    t.equal(await proxy.stat('cluster.xds.ssl.fail_verify_error'), 0);
  });

  await t.test('tells nothing to one that it does not', async (t) => {
    asked.length = 0;
    const proxy = await ProxyProcess.start(t, bootstrap(port, TestCertificate.root()) as never);
    await eventually(
      'the handshake failed',
      async () => (await proxy.stat('cluster.xds.ssl.fail_verify_error')) > 0,
    );
    t.strictSame(asked, []);
    t.equal(await proxy.stat('control_plane.connected_state'), 0);
  });
});
