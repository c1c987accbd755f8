// Where main sends entries of access log services: which host of a cluster, and why none.
import t from 'tap';
import { grpcHost } from '../../../proxy/server/log-forwarder.ts';
import { addressText } from '../../../proxy/upstream/host.ts';
import { sampleCluster, sampleEndpoint, sampleLocality } from '../../support/config-samples.ts';

t.test('grpcHost', (t) => {
  const config = sampleCluster('als');
  const endpoint = sampleEndpoint('10.0.0.1', 9000);
  const at = (localities: Parameters<typeof grpcHost>[0][number]['localities']): string => {
    const host = grpcHost([{ config, localities }], 'als');
    return typeof host === 'string' ? host : addressText(host.host.address);
  };
  t.equal(at([sampleLocality([endpoint])]), '10.0.0.1:9000');
  t.equal(at([]), 'it has no host');
  t.equal(at([sampleLocality([{ ...endpoint, health: 'UNHEALTHY' }])]), 'it has no host');
  t.equal(grpcHost([], 'als'), 'there is no such cluster');
  const pipe = { ...endpoint, address: { kind: 'pipe', path: '/run/als', mode: 0 } } as const;
  t.equal(at([sampleLocality([pipe])]), '/run/als');
  t.end();
});
