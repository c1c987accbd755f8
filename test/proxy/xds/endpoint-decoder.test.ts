// ClusterLoadAssignment: health, weights, labels, drops.
import t from 'tap';
import { decodeEndpoints } from '../../../proxy/xds/endpoint-decoder.ts';
import type { ClusterEndpointsConfig } from '../../../proxy/config/endpoint-config.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import { problemsOf, socketAddress } from './decoding.ts';
import type { Json } from './decoding.ts';

const decode = (json: Json): ClusterEndpointsConfig =>
  decodeEndpoints(fromJson('envoy.config.endpoint.v3.ClusterLoadAssignment', json), 'v7');

t.test('decodeEndpoints', (t) => {
  t.test('maps health, weights and labels', (t) => {
    const health = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'];
    const config = decode({
      cluster_name: 'c',
      endpoints: [
        {
          locality: { region: 'r', zone: 'z' },
          load_balancing_weight: 3,
          lb_endpoints: health.map((health_status, index) => ({
            endpoint: { address: socketAddress('10.0.0.1', index + 1) },
            health_status,
            metadata: { filter_metadata: { 'envoy.transport_socket_match': { tlsMode: 'istio' } } },
          })),
        },
      ],
    });
    t.strictSame(
      config.localities[0]?.endpoints.map((endpoint) => endpoint.health),
      ['HEALTHY', 'HEALTHY', 'UNHEALTHY', 'UNHEALTHY', 'UNHEALTHY', 'DEGRADED'],
    );
    t.match(config, {
      version: 'v7',
      overprovisioningPercent: 140,
      localities: [{ region: 'r', zone: 'z', weight: 3, priority: 0 }],
    });
    const first = config.localities[0]?.endpoints[0];
    t.strictSame([...(first?.transportSocketMatch ?? [])], [['tlsMode', 'istio']]);
    t.equal(first?.weight, 1);
    t.end();
  });

  t.test('takes an assignment without endpoints', (t) => {
    t.strictSame(decode({ cluster_name: 'c' }).localities, []);
    t.end();
  });

  t.test('reads what is to be dropped', (t) => {
    const policy = {
      drop_overloads: [{ category: 'x', drop_percentage: { numerator: 5 } }],
      overprovisioning_factor: 200,
    };
    const config = decode({ cluster_name: 'c', policy });
    t.strictSame(config.dropOverloads, [{ numerator: 5, denominator: 100 }]);
    t.equal(config.overprovisioningPercent, 200);
    t.end();
  });

  t.test('tells every mistake', (t) => {
    const json = {
      endpoints: [
        {
          lb_endpoints: [
            {},
            { endpoint: { address: { pipe: {} } } },
            { endpoint: { address: { envoy_internal_address: { server_listener_name: 'x' } } } },
          ],
        },
      ],
    };
    t.strictSame(
      problemsOf(() => decode(json)),
      [
        'cluster_name: is required',
        'endpoints[0].lb_endpoints[0].endpoint: is required',
        'endpoints[0].lb_endpoints[1].endpoint.address.pipe.path: is required',
        'endpoints[0].lb_endpoints[2].endpoint.address.envoy_internal_address: is not supported by this version',
      ],
    );
    t.end();
  });

  t.test('stops collecting at fifty', (t) => {
    const lb_endpoints = Array.from({ length: 80 }, () => ({}));
    const problems = problemsOf(() => decode({ cluster_name: 'c', endpoints: [{ lb_endpoints }] }));
    t.equal(problems.length, 51);
    t.equal(problems.at(-1), ': and 30 more problems');
    t.end();
  });
  t.end();
});
