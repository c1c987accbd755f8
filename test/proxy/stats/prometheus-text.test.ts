// Prometheus text: names, labels, order, escaping, buckets.
import t from 'tap';
import { compileBuckets, prometheusText } from '../../../proxy/stats/prometheus-text.ts';
import { TagExtractor } from '../../../proxy/stats/tag-extractor.ts';
import { counterOf, gaugeOf, histogramOf } from '../../support/stat-values.ts';
import type { StatValue } from '../../../proxy/stats/stat-value.ts';

const extractor = new TagExtractor({ tags: [], useAllDefaultTags: true });
const print = (stats: readonly StatValue[]): string =>
  prometheusText(stats, extractor, compileBuckets([]));

t.test('prometheusText', (t) => {
  t.test('groups by metric, counters before gauges before histograms, sorted', (t) => {
    const text = print([
      gaugeOf('server.uptime', 6),
      counterOf('cluster.b.upstream_rq_total', 2),
      counterOf('cluster.foo.upstream_rq_200', 7),
      counterOf('cluster.a.upstream_rq_total', 1),
    ]);
    t.equal(
      text,
      '# TYPE envoy_cluster_upstream_rq counter\n' +
        'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="foo"} 7\n' +
        '# TYPE envoy_cluster_upstream_rq_total counter\n' +
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 1\n' +
        'envoy_cluster_upstream_rq_total{envoy_cluster_name="b"} 2\n' +
        '# TYPE envoy_server_uptime gauge\n' +
        'envoy_server_uptime{} 6\n',
    );
    t.end();
  });

  t.test('prints cumulative buckets, sum and count', (t) => {
    const buckets = [
      { match: { kind: 'prefix', value: 'cluster.', ignoreCase: false }, buckets: [1, 25] },
    ] as const;
    const text = prometheusText(
      [histogramOf('cluster.c.upstream_rq_time', [0, 3, 30])],
      extractor,
      compileBuckets(buckets),
    );
    t.equal(
      text,
      '# TYPE envoy_cluster_upstream_rq_time histogram\n' +
        'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="c",le="1"} 1\n' +
        'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="c",le="25"} 2\n' +
        'envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="c",le="+Inf"} 3\n' +
        'envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="c"} 33\n' +
        'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="c"} 3\n',
    );
    const plain = print([histogramOf('server.x_ms', [])]);
    t.match(plain, 'envoy_server_x_ms_bucket{le="0.5"} 0\n');
    t.match(plain, 'envoy_server_x_ms_bucket{le="3600000"} 0\n');
    t.end();
  });

  t.test('escapes label values and sanitises names', (t) => {
    const text = print([
      counterOf('cluster.a"b\\c\nd.x-y', 1),
      counterOf('istiocustom.istio_requests_total', 2, [['destination.app', 'a"}\n']]),
      counterOf('istio_build', 1, [['tag', '1']]),
      counterOf('istiocustom.9', 1),
    ]);
    t.match(text, 'envoy_cluster_x_y{envoy_cluster_name="a\\"b\\\\c\\nd"} 1\n');
    t.match(text, 'istio_requests_total{destination_app="a\\"}\\n"} 2\n');
    t.match(text, 'istio_build{tag="1"} 1\n');
    t.notMatch(text, /^9/m);
    t.end();
  });
  t.end();
});
