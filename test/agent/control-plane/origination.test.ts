// [m] DestinationRule tls modes: SIMPLE as istiod sends it in 06-protocols, and what MUTUAL and missing names add.
import t from 'tap';

import { formatProblem } from '../../../agent/control-plane/config-problem.ts';
import { PushContext } from '../../../agent/control-plane/push-context.ts';
import { buildClusters } from '../../../agent/control-plane/cluster-builder.ts';
import { readProxyNode } from '../../../agent/control-plane/proxy-node.ts';
import { configOf, compareRecording, differencesOf, scenarioConfig } from './recording.ts';

const EXTERNAL = 'outbound|80||httpbin.example.com';

t.test('SIMPLE is what istiod makes of it', (t) => {
  const push = new PushContext(scenarioConfig('06-protocols'), 'PERMISSIVE');
  const clusters = [...compareRecording('06-protocols', 'tcp-server', push)].find(
    ({ type }) => type === 'cluster',
  )!;
  t.ok(clusters.recorded.has(EXTERNAL));
  const found = differencesOf(clusters).filter(({ path }) =>
    path.startsWith(`cluster/${EXTERNAL}/`),
  );
  t.same(
    found.filter(({ path }) => /transport_socket|typed_extension/.test(path)),
    [],
  );
  t.end();
});

type Json = Readonly<Record<string, unknown>>;

function clusterWith(tls: string): Json {
  const yaml = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 443, name: http, protocol: HTTP}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web.example.com, trafficPolicy: {tls: ${tls}}}
`;
  const config = configOf({ 'a.yaml': yaml });
  t.same(config.problems.map(formatProblem), []);
  const push = new PushContext(config, 'PERMISSIVE');
  const node = readProxyNode('sidecar~10.0.0.1~a.default~default.svc.cluster.local', {});
  const clusters = buildClusters(push, push.viewOf(node)) as readonly Json[];
  return clusters.find(({ name }) => name === 'outbound|443||web.example.com')!;
}

t.test('MUTUAL shows a certificate of files, and asks for the request’s host', (t) => {
  const cluster = clusterWith(
    '{mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem}',
  );
  const text = JSON.stringify(cluster);
  t.match(text, '"name":"file-cert:/c.pem~/k.pem"');
  t.match(text, '"name":"file-root:/ca.pem"');
  t.match(text, '"upstream_http_protocol_options":{"auto_sni":true,"auto_san_validation":true}');
  t.notMatch(text, '"initial_fetch_timeout"');
  t.end();
});

t.test('insecureSkipVerify verifies nothing, and says so in the cluster', (t) => {
  const text = JSON.stringify(clusterWith('{mode: SIMPLE, insecureSkipVerify: true}'));
  t.notMatch(text, 'validation_context');
  t.match(text, '"upstream_http_protocol_options":{"auto_sni":true}');
  t.end();
});
