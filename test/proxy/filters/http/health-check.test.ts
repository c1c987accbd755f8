// [w] The health_check filter where a row beside Envoy cannot go: the operator's word, and time.
import t from 'tap';
import type { HealthCheckFilterConfig } from '../../../../proxy/config/http-filter-config.ts';
import { HealthCheckFilterFactory } from '../../../../proxy/filters/http/health-check.ts';
import { FilterStatus } from '../../../../proxy/http/http-filter.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import { linesOf, request, response, streamInfo } from '../../../support/route-samples.ts';

function setUp(changes: Partial<HealthCheckFilterConfig>) {
  const harness = new RouterHarness();
  const server = { healthCheckFailed: false };
  const config: HealthCheckFilterConfig = {
    kind: 'health_check',
    passThrough: true,
    cacheTimeMs: 0,
    minHealthyPercentages: new Map(),
    headers: [
      {
        name: ':path',
        test: { kind: 'string', match: { kind: 'exact', value: '/hc', ignoreCase: false } },
        invert: false,
        treatMissingAsEmpty: false,
      },
    ],
    ...changes,
  };
  const factory = new HealthCheckFilterFactory('hc', config, { ...harness.context, server });
  /** Status of the filter, reply, and what it adds to a 200 of the upstream. */
  const send = (path: string, upstreamStatus = 200) => {
    const headers = request([[':path', path]]);
    const client = new ScriptedClient(headers, null, streamInfo());
    const filter = factory.createFilter(client);
    const status = filter.decodeHeaders(headers, true);
    const answer = response(client.reply?.status ?? upstreamStatus);
    filter.encodeHeaders(answer, true);
    return { status, reply: client.reply, flags: client.streamInfo.flags, lines: linesOf(answer) };
  };
  return { harness, server, send };
}

t.test('while the operator fails health checks', async (t) => {
  const { server, send, harness } = setUp({});
  t.same(send('/hc').lines, ['x-envoy-upstream-healthchecked-cluster: me']);
  server.healthCheckFailed = true;
  const failed = send('/hc');
  t.equal(failed.status, FilterStatus.StopAndBuffer);
  t.same(
    [failed.reply?.status, failed.reply?.details, failed.flags],
    [503, 'health_check_failed', 'LH'],
  );
  t.same(failed.lines, [
    'x-envoy-upstream-healthchecked-cluster: me',
    'x-envoy-immediate-health-check-fail: true',
  ]);
  const other = send('/other');
  t.equal(other.status, FilterStatus.Continue);
  t.same(other.lines, ['x-envoy-immediate-health-check-fail: true']);
  t.equal(harness.stat('http.test.health_check.failed'), 1);
  server.healthCheckFailed = false;
  t.same(send('/other').lines, []);
});

t.test('an answer is good until its period ends', async (t) => {
  const { harness, send } = setUp({ cacheTimeMs: 1000 });
  harness.time.advance(700);
  t.equal(send('/hc', 201).reply, null, 'the first one goes to the upstream');
  harness.time.advance(200);
  t.equal(send('/hc').reply?.status, 201);
  harness.time.advance(200);
  t.equal(send('/hc', 500).reply, null, 'the second period has begun');
  t.equal(send('/hc').reply?.status, 500);
});
