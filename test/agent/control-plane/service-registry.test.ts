// [m] ServiceRegistry: Kubernetes services, pods, controllers, Endpoints, slices and ServiceEntries to addresses and ports.
import t from 'tap';

import { formatProblem } from '../../../agent/control-plane/config-problem.ts';
import { endpointPort, ServiceRegistry } from '../../../agent/control-plane/service-registry.ts';
import { protocolOfName } from '../../../agent/control-plane/service-reader.ts';
import { configOf } from './recording.ts';

function registryOf(text: string): ServiceRegistry {
  const config = configOf({ 'a.yaml': text });
  t.same(config.problems.map(formatProblem), []);
  return new ServiceRegistry(config.items);
}

const service = (rest: string, name = 'web'): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: ${rest}
`;

/** `address:port` of every endpoint of the first port. */
function addressesOf(registry: ServiceRegistry, host = 'web.default.svc.cluster.local'): string[] {
  const found = registry.services.get(host)!;
  return registry
    .endpointsOf(found)
    .map((endpoint) => `${endpoint.address}:${endpointPort(endpoint, found.ports[0]!)}`);
}

const WEB = service(
  '{clusterIP: 10.0.0.1, selector: {app: web}, ports: [{port: 80, name: http, targetPort: 8080}]}',
);

t.test('ServiceRegistry', async (t) => {
  t.test('finds pods by status, annotation and controller', async (t) => {
    const registry = registryOf(`${WEB}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec: {containers: [{ports: [{containerPort: 9999, name: http}]}]}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}, annotations: {outrigger/address: 10.1.0.2}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}, annotations: {outrigger/address: "10.1.0.3, 10.1.0.4"}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: pending, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: elsewhere, labels: {app: web}, annotations: {outrigger/address: 10.1.0.5}}
`);
    t.same(addressesOf(registry), [
      '10.1.0.1:8080',
      '10.1.0.2:8080',
      '10.1.0.3:8080',
      '10.1.0.4:8080',
    ]);
  });

  t.test('looks a named target port up in the containers', async (t) => {
    const registry =
      registryOf(`${service('{clusterIP: 10.0.0.1, selector: {app: web}, ports: [{port: 80, name: http, targetPort: web}]}')}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec: {containers: [{ports: [{containerPort: 9000, name: web}]}]}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
status: {podIP: 10.1.0.2}
`);
    t.same(addressesOf(registry), ['10.1.0.1:9000', '10.1.0.2:undefined']);
  });

  t.test(
    'takes Endpoints and EndpointSlices, with the labels of the pod at the address',
    async (t) => {
      const registry =
        registryOf(`${service('{clusterIP: 10.0.0.1, ports: [{port: 80, name: http}]}')}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 10.1.0.1}], ports: [{name: http, port: 8081}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-abc, labels: {kubernetes.io/service-name: web}}
endpoints: [{addresses: [10.1.0.2]}, {addresses: [10.1.0.3], conditions: {ready: false}}]
ports: [{name: http, port: 8082}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {version: v1}}
status: {podIP: 10.1.0.2}
`);
      t.same(addressesOf(registry), ['10.1.0.1:8081', '10.1.0.2:8082']);
      const [, second] = registry.endpointsOf(
        registry.services.get('web.default.svc.cluster.local')!,
      );
      t.equal(second?.labels.get('version'), 'v1');
    },
  );

  t.test('takes the endpoints of a ServiceEntry, with their own ports', async (t) => {
    const registry = registryOf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, targetPort: 8080}]
  endpoints: [{address: 10.1.0.1}, {address: 10.1.0.2, ports: {http: 8090}}]
`);
    t.same(addressesOf(registry, 'web.example.com'), ['10.1.0.1:8080', '10.1.0.2:8090']);
  });

  t.test('tells a pod what it serves', async (t) => {
    const registry =
      registryOf(`${WEB}${service('{clusterIP: None, selector: {app: web}, ports: [{port: 90, name: tcp}]}', 'also')}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
status: {podIP: 10.1.0.1}
`);
    const targets = registry
      .targetsOf(['10.1.0.1'], 'default')
      .map(({ service: { host }, targetPort }) => `${host}:${targetPort}`);
    t.same(targets, ['web.default.svc.cluster.local:8080', 'also.default.svc.cluster.local:90']);
    t.same(registry.targetsOf(['10.1.0.1'], 'elsewhere'), []);
    t.equal(registry.labelsOf(['10.1.0.1'], 'default')?.get('app'), 'web');
    t.equal(registry.labelsOf(['10.9.9.9'], 'default'), undefined);
  });

  t.test('reads protocols from port names', async (t) => {
    for (const [name, protocol] of [
      ['http', 'HTTP'],
      ['http-web', 'HTTP'],
      ['http2-api', 'HTTP2'],
      ['grpc', 'GRPC'],
      ['grpc-web-x', 'GRPC-WEB'],
      ['tcp-db', 'TCP'],
      ['https', 'HTTPS'],
      ['HTTP', 'HTTP'],
      ['web', 'AUTO'],
      ['', 'AUTO'],
      ['httpx', 'AUTO'],
    ] as const)
      t.equal(protocolOfName(name), protocol, name);
  });
});
