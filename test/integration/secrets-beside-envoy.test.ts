// [m] Secrets by SDS over gRPC, ours beside Envoy where there is one: missing, coming, rotating, refused; flags and stats.
// @timeout 120 s
import { connect } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  bootstrapOf,
  cluster,
  envoyBinary,
  httpListener,
  ProxyProcess,
  toCluster,
} from '../support/proxy-process.ts';
import { TestSecretServer } from '../support/secret-server.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { ask } from '../support/test-http.ts';

t.setTimeout(110_000);

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2 = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

const bySds = (name: string, timeout: string) => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }],
    },
    resource_api_version: 'V3',
    initial_fetch_timeout: timeout,
  },
});

const socketWith = (kind: 'Upstream' | 'Downstream', common: object) => ({
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: { '@type': `${TLS}.${kind}TlsContext`, common_tls_context: common },
  },
});

/** Serial number of the server's certificate; '' where there was no handshake. */
function serialOf(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(''));
  });
}

async function observe(t: Test, binary: string | undefined): Promise<object> {
  const authority = new TestAuthority();
  const server = new TestSecretServer();
  t.teardown(() => server.close());
  const target = await server.listen('127.0.0.1:0');
  const sdsPort = Number(target.split(':')[1]);
  const identity = () => authority.identity('spiffe://cluster.local/ns/a/sa/b');
  server.setIdentity('there', identity());
  const listenerOf = (name: string, secret: string, timeout: string): object => {
    const plain = httpListener(name, [
      { match: { prefix: '/' }, direct_response: { status: 200 } },
    ]) as { readonly filter_chains: readonly object[] };
    const common = { tls_certificate_sds_secret_configs: [bySds(secret, timeout)] };
    return {
      ...plain,
      filter_chains: plain.filter_chains.map((chain) => ({
        ...chain,
        ...socketWith('Downstream', common),
      })),
    };
  };
  const upstream = socketWith('Upstream', {
    tls_certificate_sds_secret_configs: [bySds('missing', '0.3s')],
  });
  const proxy = await ProxyProcess.start(
    t,
    bootstrapOf(
      [
        listenerOf('there', 'there', '0s') as never,
        listenerOf('late', 'late', '0.3s') as never,
        httpListener('out', [toCluster('up')]),
      ],
      [cluster('sds', [sdsPort], HTTP2), cluster('up', [sdsPort], upstream as never)],
    ),
    binary,
  );
  const lateBefore = await serialOf(proxy.port('late'));
  const first = await serialOf(proxy.port('there'));
  const { status, body } = await ask(proxy.port('out'), 'GET', '/');
  server.setIdentity('late', identity());
  await eventually('late came', async () => (await serialOf(proxy.port('late'))) !== '');
  server.setIdentity('there', identity());
  await eventually('rotated', async () => {
    const now = await serialOf(proxy.port('there'));
    return now !== '' && now !== first;
  });
  const rotated = await serialOf(proxy.port('there'));
  server.setIdentity('there', { chainPem: 'nonsense', keyPem: 'nonsense' });
  await eventually('refused', async () => (await proxy.stat('sds.there.update_rejected')) === 1);
  return {
    lateBefore,
    served: first !== '',
    status,
    body: String(body),
    stays: (await serialOf(proxy.port('there'))) === rotated,
    notReady: await proxy.stat(
      'cluster.up.client_ssl_socket_factory.upstream_context_secrets_not_ready',
    ),
    updates: await proxy.stat('sds.there.update_success'),
    timeouts: await proxy.stat('sds.missing.init_fetch_timeout'),
    lateUpdates: await proxy.stat('sds.late.update_success'),
    told: server.lines.filter((line) => /rejected the secret there/.test(line)).length,
  };
}

t.test('secrets over gRPC', async (t) => {
  const ours = await observe(t, undefined);
  t.match(ours, {
    lateBefore: '',
    served: true,
    status: 503,
    stays: true,
    notReady: 1,
    updates: 2,
    timeouts: 1,
    lateUpdates: 1,
    told: 1,
  });
  if (envoyBinary === undefined) {
    t.comment('SKIPPED: no Envoy to compare with');
    return;
  }
  t.same(ours, await observe(t, envoyBinary), 'as Envoy');
});
