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
    t.strictSame(
      config.localities[0]?.endpoints.map((endpoint) => endpoint.edsStatus),
      ['UNKNOWN', undefined, undefined, 'DRAINING', 'TIMEOUT', undefined],
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

  t.test('reads further addresses, checks and policy', (t) => {
    const config = decode({
      cluster_name: 'c',
      policy: { endpoint_stale_after: '5s', weighted_priority_health: true },
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: socketAddress('10.0.0.1', 80),
                additional_addresses: [{ address: socketAddress('::1', 80) }],
                health_check_config: {
                  port_value: 81,
                  hostname: 'h',
                  address: socketAddress('10.0.0.2', 82),
                  disable_active_health_check: true,
                },
              },
            },
          ],
        },
      ],
    });
    t.match(config, { staleAfterMs: 5000, weightedPriorityHealth: true });
    t.match(config.localities[0]!.endpoints[0], {
      additionalAddresses: [{ kind: 'ip', address: '::1', port: 80 }],
      healthCheck: {
        port: 81,
        hostname: 'h',
        address: { address: '10.0.0.2', port: 82 },
        disabled: true,
      },
    });
    t.end();
  });

  t.test('takes weights whose sum no uint32 holds, and gaps between priorities', (t) => {
    const endpoint = (port: number): Json => ({
      endpoint: { address: socketAddress('10.0.0.1', port) },
      load_balancing_weight: 4_294_967_295,
    });
    const config = decode({
      cluster_name: 'c',
      endpoints: [
        { lb_endpoints: [endpoint(1), endpoint(2)] },
        { priority: 5, lb_endpoints: [endpoint(3)] },
        { priority: 7 },
      ],
    });
    t.strictSame(
      config.localities.map(({ priority, endpoints }) => [priority, endpoints.length]),
      [
        [0, 2],
        [5, 1],
        [7, 0],
      ],
    );
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
