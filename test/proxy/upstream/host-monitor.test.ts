// What answers and failures do to the counts that all workers share, and when main is told.
import t from 'tap';
import { ResponseHeaders } from '../../../proxy/http/header-map.ts';
import { headerName } from '../../../proxy/http/headers.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import { HostMonitor } from '../../../proxy/upstream/host-monitor.ts';
import { OutlierCount, outlierPlace } from '../../../proxy/upstream/outlier-memory.ts';
import { sampleOutliers } from '../../support/health-samples.ts';

const SLOT = 3;

function setUp(changes: Parameters<typeof sampleOutliers>[0] = {}) {
  const { consecutive } = sampleOutliers();
  const outlierDetection = sampleOutliers({
    consecutive: { ...consecutive, http5xx: 3, gatewayFailure: 2, localOriginFailure: 2 },
    ...changes,
  });
  const counts = new Int32Array(new SharedArrayBuffer(1024));
  const told: string[] = [];
  const host = { addressText: 'h', healthFlags: 0, removed: false };
  const context = {
    outlierDetection,
    checked: true,
    counts,
    tell: (address: string, event: string) => void told.push(`${address} ${event}`),
  };
  const workers = [new HostMonitor(context, host, SLOT), new HostMonitor(context, host, SLOT)];
  const count = (which: OutlierCount): number => counts[outlierPlace(SLOT) + which]!;
  const take = (): string[] => told.splice(0);
  return { workers, monitor: workers[0]!, count, take, host };
}

const answer = (
  status: number,
  headers: Readonly<Record<string, string>> = {},
): ResponseHeaders => {
  const response = new ResponseHeaders();
  response.status = status;
  for (const [name, value] of Object.entries(headers)) response.push(headerName(name), value);
  return response;
};

t.test('HostMonitor', (t) => {
  t.test('counts a run of failures over all workers', (t) => {
    const { workers, take, count } = setUp();
    workers[0]!.onResponse(answer(500), false);
    workers[1]!.onResponse(answer(500), false);
    t.strictSame(take(), []);
    workers[0]!.onResponse(answer(500), false);
    t.strictSame(take(), ['h CONSECUTIVE_5XX']);
    workers[1]!.onResponse(answer(500), false);
    t.strictSame(take(), [], 'once a run');
    workers[1]!.onResponse(answer(404), false);
    t.equal(count(OutlierCount.Consecutive5xx), 0);
    t.equal(count(OutlierCount.Requests), 5);
    t.equal(count(OutlierCount.Successes), 1);
    t.end();
  });

  t.test('counts 502, 503 and 504 as failures of gateways, too', (t) => {
    const { monitor, take } = setUp();
    for (const status of [502, 500, 503, 504]) monitor.onResponse(answer(status), false);
    t.strictSame(take(), ['h CONSECUTIVE_5XX', 'h CONSECUTIVE_GATEWAY_FAILURE']);
    t.end();
  });

  t.test('reads the status of gRPC answers that have it in their head', (t) => {
    const { monitor, count } = setUp();
    monitor.onResponse(answer(200, { 'grpc-status': '14' }), true);
    t.equal(count(OutlierCount.ConsecutiveGatewayFailure), 1);
    monitor.onResponse(answer(200, { 'grpc-status': '2' }), true);
    t.equal(count(OutlierCount.ConsecutiveGatewayFailure), 0);
    t.equal(count(OutlierCount.Consecutive5xx), 2);
    monitor.onResponse(answer(200, { 'grpc-status': '5' }), true);
    t.equal(count(OutlierCount.Consecutive5xx), 0);
    monitor.onResponse(answer(200, { 'grpc-status': '14' }), false);
    t.equal(count(OutlierCount.Consecutive5xx), 0, 'of gRPC requests only');
    t.end();
  });

  t.test('takes failures on the way for 503, time-outs for what they are answered with', (t) => {
    const { monitor, count, take } = setUp();
    monitor.onLocalFailure();
    monitor.onTimeout(504);
    t.strictSame(take(), ['h CONSECUTIVE_GATEWAY_FAILURE']);
    monitor.onConnected();
    t.equal(count(OutlierCount.Consecutive5xx), 2, 'a connection alone says nothing');
    monitor.onTimeout(204);
    t.equal(count(OutlierCount.Consecutive5xx), 0);
    monitor.onLocalFailure();
    monitor.onConnectedForGood();
    t.equal(count(OutlierCount.Consecutive5xx), 0, 'where it is all we will know, it is success');
    t.end();
  });

  t.test('keeps the two origins apart where it is told to', (t) => {
    const { monitor, count, take } = setUp({ splitLocalOrigin: true });
    monitor.onLocalFailure();
    monitor.onConnected();
    monitor.onLocalFailure();
    monitor.onTimeout(504);
    t.strictSame(take(), ['h CONSECUTIVE_LOCAL_ORIGIN_FAILURE']);
    t.equal(count(OutlierCount.LocalOriginRequests), 4);
    t.equal(count(OutlierCount.LocalOriginSuccesses), 1);
    t.equal(count(OutlierCount.Requests), 0);
    t.end();
  });

  t.test('tells what a host says of itself, until main knows', (t) => {
    const { monitor, take, host } = setUp({ detectDegradedHosts: true });
    monitor.onResponse(answer(200, { 'x-envoy-degraded': '1' }), false);
    monitor.onResponse(answer(200, { 'x-envoy-immediate-health-check-fail': '1' }), false);
    t.strictSame(take(), ['h DEGRADED', 'h IMMEDIATE_FAIL']);
    host.healthFlags =
      HealthFlag.DegradedOutlierCheck |
      HealthFlag.FailedActiveCheck |
      HealthFlag.ExcludedByResponse;
    monitor.onResponse(answer(200, { 'x-envoy-degraded': '1' }), false);
    monitor.onResponse(answer(200, { 'x-envoy-immediate-health-check-fail': '1' }), false);
    t.strictSame(take(), []);
    t.end();
  });

  t.test('counts nothing more for a host that is gone', (t) => {
    const { monitor, count, host } = setUp();
    host.removed = true;
    monitor.onResponse(answer(500), false);
    monitor.onLocalFailure();
    t.equal(count(OutlierCount.Requests), 0);
    t.end();
  });
  t.end();
});
