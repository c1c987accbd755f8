// [m] Pods on loopback addresses: what is bound for real, and where the application is dialled.
import t from 'tap';

import { readProxyNode } from '../../../agent/control-plane/proxy-node.ts';
import { PushContext } from '../../../agent/control-plane/push-context.ts';
import {
  generateAll,
  generateNamed,
  packResource,
} from '../../../agent/control-plane/resource-generator.ts';
import type { MtlsMode } from '../../../agent/control-plane/istio-model.ts';
import { configOf } from './recording.ts';
import { productpage, ratings, reviews } from './small-mesh.ts';

const apps = [productpage, reviews, ratings].join('---').replace('10.0.0.1', '127.10.1.1');

const node = readProxyNode('sidecar~127.10.1.1~productpage-1.default~default.svc.cluster.local', {
  NAMESPACE: 'default',
  OUTRIGGER_NO_REDIRECT: 'true',
  OUTRIGGER_OUTBOUND_ADDRESS: '127.10.1.1',
  OUTRIGGER_OUTBOUND_PORT: '15001',
  OUTRIGGER_INBOUND_ADDRESS: '127.10.1.1',
  OUTRIGGER_INBOUND_PORT: 15006,
  OUTRIGGER_APP_ADDRESS: '127.10.1.2',
  OUTRIGGER_SERVICE_ADDRESSES: JSON.stringify({
    'reviews.default.svc.cluster.local': '127.10.3.2',
    'nobody.default.svc.cluster.local': '127.10.3.3',
  }),
});

interface ListenerJson {
  readonly name: string;
  readonly address: unknown;
  readonly bind_to_port?: boolean;
  readonly filter_chains: readonly { readonly filter_chain_match?: unknown }[];
  readonly default_filter_chain?: unknown;
  readonly listener_filters?: readonly { readonly name: string }[];
}

function build(defaultMtls: MtlsMode): { listeners: Map<string, ListenerJson>; push: PushContext } {
  const push = new PushContext(configOf({ 'a.yaml': apps }), defaultMtls);
  const resources = generateAll('listener', push, push.viewOf(node));
  for (const resource of resources) packResource('listener', resource);
  return {
    push,
    listeners: new Map(resources.map(({ name, text }) => [name, JSON.parse(text) as ListenerJson])),
  };
}

t.test('Loopback mode', async (t) => {
  const { listeners, push } = build('DISABLE');
  const view = push.viewOf(node);

  t.test('adds a bound listener per service address and per inbound port', async (t) => {
    t.same(
      [...listeners.keys()],
      ['0.0.0.0_9080', 'virtualOutbound', 'virtualInbound', '127.10.3.2_9080', '127.10.1.1_9080'],
    );
    t.same(listeners.get('virtualOutbound')?.address, {
      socket_address: { address: '127.10.1.1', port_value: 15001 },
    });
    t.same(listeners.get('virtualInbound')?.address, {
      socket_address: { address: '127.10.1.1', port_value: 15006 },
    });
  });

  t.test('serves a service address with the chains of the port', async (t) => {
    const usual = listeners.get('0.0.0.0_9080');
    const bound = listeners.get('127.10.3.2_9080');
    t.equal(usual?.bind_to_port, false);
    t.equal(bound?.bind_to_port, true);
    t.same(bound?.address, { socket_address: { address: '127.10.3.2', port_value: 9080 } });
    t.same(bound?.filter_chains, usual?.filter_chains);
  });

  t.test(
    'takes inbound connections on the pod, without looking for a redirected destination',
    async (t) => {
      const inbound = listeners.get('127.10.1.1_9080');
      t.same(inbound?.address, { socket_address: { address: '127.10.1.1', port_value: 9080 } });
      t.same(
        inbound?.filter_chains.map((chain) => chain.filter_chain_match),
        [{ destination_port: 9080, transport_protocol: 'raw_buffer' }],
      );
      t.equal(inbound?.listener_filters, undefined);
      const permissive = build('PERMISSIVE').listeners.get('127.10.1.1_9080');
      t.equal(permissive?.filter_chains.length, 2);
      t.same(
        permissive?.listener_filters?.map(({ name }) => name),
        ['envoy.filters.listener.tls_inspector'],
      );
    },
  );

  t.test('dials the application at its own address', async (t) => {
    const clusters = new Map(
      generateAll('cluster', push, view).map(({ name, text }): [string, unknown] => [
        name,
        JSON.parse(text),
      ]),
    );
    t.match(clusters.get('inbound|9080||'), {
      type: 'STATIC',
      load_assignment: {
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  address: { socket_address: { address: '127.10.1.2', port_value: 9080 } },
                },
              },
            ],
          },
        ],
      },
    });
    t.notMatch(clusters.get('inbound|9080||'), { upstream_bind_config: {} });
  });

  t.test('knows a service by its address, and passes nothing through to itself', async (t) => {
    const { text } = generateNamed('route', '9080', push, view);
    const { virtual_hosts: hosts } = JSON.parse(text) as {
      virtual_hosts: { name: string; domains: string[] }[];
    };
    t.same(hosts.find(({ name }) => name.startsWith('reviews'))?.domains.slice(-2), [
      '10.96.0.2',
      '127.10.3.2',
    ]);
    t.equal(hosts.at(-1)?.name, 'block_all');
    t.match(
      JSON.stringify(listeners.get('127.10.3.2_9080')?.default_filter_chain),
      /"cluster":"BlackHoleCluster"/,
    );
  });

  t.test('is off unless the node says so, other addresses stay', async (t) => {
    const other = readProxyNode(node.id, {
      OUTRIGGER_INBOUND_PORT: '16006',
      OUTRIGGER_OUTBOUND_PORT: 16001,
    });
    t.equal(other.loopback, undefined);
    t.same(other.inbound, { address: '0.0.0.0', port: 16006 });
    const resources = generateAll('listener', push, push.viewOf(other));
    t.same(
      resources.map(({ name }) => name),
      ['0.0.0.0_9080', 'virtualOutbound', 'virtualInbound'],
    );
    t.match(resources[1]?.text, /"destination_port":16001/);
    t.match(resources[2]?.text, /"destination_port":16006/);
  });
});
