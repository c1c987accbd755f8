// [w] Delays and aborts (envoy-behaviour §6).
import t from 'tap';
import type { FaultConfig } from '../../../../proxy/config/fault-config.ts';
import { FaultFilterFactory } from '../../../../proxy/filters/http/fault.ts';
import { HeaderMap } from '../../../../proxy/http/header-map.ts';
import { FilterStatus } from '../../../../proxy/http/http-filter.ts';
import { CompiledRouteTable } from '../../../../proxy/router/route-table.ts';
import { faultConfig as fault } from '../../../support/filter-samples.ts';
import { RouterHarness, ScriptedClient } from '../../../support/router-harness.ts';
import {
  request,
  routeConfig,
  routeEntry,
  streamInfo,
  virtualHost,
} from '../../../support/route-samples.ts';

const ALL = { numerator: 100, denominator: 100 } as const;
const NAME = 'envoy.filters.http.fault';

const delay = (
  fixedDelayMs: number | undefined,
  percentage: NonNullable<FaultConfig['delay']>['percentage'] = ALL,
): Partial<FaultConfig> => ({ delay: { fixedDelayMs, percentage } });
const abort = (
  status: number,
  percentage: NonNullable<FaultConfig['abort']>['percentage'] = ALL,
): Partial<FaultConfig> => ({
  abort: {
    source: { kind: 'http_status', status },
    percentage,
    responseBody: 'fault filter abort',
  },
});

type Lines = readonly (readonly [string, string])[];

/** A filter entry with its own settings, and optionally a route's. */
function setUp(
  own: FaultConfig,
  perRoute?: FaultConfig,
  runtime: Readonly<Record<string, string>> = {},
) {
  const harness = new RouterHarness({ runtime: new Map(Object.entries(runtime)) });
  const perFilter =
    perRoute === undefined ? [] : [{ name: NAME, disabled: false, settings: perRoute }];
  const table = new CompiledRouteTable(
    routeConfig([virtualHost({ routes: [routeEntry({ perFilter })] })]),
  );
  const factory = new FaultFilterFactory(NAME, own, harness.context);
  const send = (lines: Lines = []) => {
    const headers = request(lines);
    const client = new ScriptedClient(headers, table.route(headers, streamInfo()), streamInfo());
    const filter = factory.createFilter(client);
    const status = filter === null ? undefined : filter.decodeHeaders(headers, true);
    return { client, filter, status };
  };
  return { harness, send, stat: (name: string): number => harness.stat(`http.test.fault.${name}`) };
}

t.test('FaultFilter', async (t) => {
  t.test('is not there when there is nothing to inject', async (t) => {
    t.equal(setUp(fault({})).send().filter, null);
    t.equal(setUp(fault(delay(5)), fault({})).send().filter, null, 'the route replaces the whole');
  });

  t.test('aborts', async (t) => {
    const { send, stat } = setUp(fault({}), fault(abort(400)));
    const { client, status, filter } = send();
    t.equal(status, FilterStatus.StopIteration);
    t.same(
      [client.reply?.status, client.reply?.body, client.reply?.details],
      [400, 'fault filter abort', 'fault_filter_abort'],
    );
    t.equal(client.streamInfo.flags, 'FI');
    t.same([stat('aborts_injected'), stat('delays_injected')], [1, 0]);
    filter!.onDestroy();
    t.equal(stat('active_faults'), 0);
  });

  t.test('aborts with a gRPC status', async (t) => {
    const source = { kind: 'grpc_status', status: 14 } as const;
    const { client } = setUp(
      fault({ abort: { source, percentage: ALL, responseBody: '' } }),
    ).send();
    t.same([client.reply?.status, client.reply?.grpcStatus], [200, 14]);
  });

  t.test('delays, then lets the request go', async (t) => {
    const { harness, send, stat } = setUp(fault(delay(2000)));
    const { client, status } = send();
    t.equal(status, FilterStatus.StopIteration);
    t.equal(client.streamInfo.flags, 'DI');
    harness.time.advance(1999);
    t.equal(client.continued, 0);
    harness.time.advance(8);
    t.equal(client.continued, 1);
    t.equal(stat('delays_injected'), 1);
  });

  t.test('delays, then aborts, as one fault', async (t) => {
    const { harness, send, stat } = setUp(fault({ ...delay(100), ...abort(503) }));
    const { client } = send();
    t.equal(stat('active_faults'), 1);
    harness.time.advance(108);
    t.same([client.reply?.status, client.continued, client.streamInfo.flags], [503, 0, 'DI,FI']);
    t.equal(stat('active_faults'), 1);
  });

  t.test('forgets its delay when the client leaves', async (t) => {
    const { harness, send, stat } = setUp(fault(delay(100)));
    const { client, filter } = send();
    filter!.onDestroy();
    harness.time.advance(1000);
    t.same([client.continued, stat('active_faults'), harness.timers.size], [0, 0, 0]);
  });

  t.test('draws by percentage', async (t) => {
    const { send, stat } = setUp(fault(abort(500, { numerator: 2500, denominator: 10_000 })));
    for (let i = 0; i < 4000; i++) send().filter!.onDestroy();
    const injected = stat('aborts_injected');
    t.ok(injected > 880 && injected < 1120, `${injected} of 4000 (1000 expected, 27 deviation)`);
    const none = setUp(fault(abort(500, { numerator: 0, denominator: 100 })));
    t.equal(none.send().status, FilterStatus.Continue);
  });

  t.test('applies to its headers, cluster and nodes only', async (t) => {
    const match = {
      kind: 'string',
      match: { kind: 'exact', value: 'jason', ignoreCase: false },
    } as const;
    const headers = [{ name: 'end-user', test: match, invert: false, treatMissingAsEmpty: false }];
    const cases: [Partial<FaultConfig>, Lines, boolean][] = [
      [{ headers }, [['end-user', 'jason']], true],
      [{ headers }, [['end-user', 'other']], false],
      [{ headers }, [], false],
      [{ upstreamCluster: 'backend' }, [], true],
      [{ upstreamCluster: 'other' }, [], false],
      [{ downstreamNodes: ['n1'] }, [['x-envoy-downstream-service-node', 'n1']], true],
      [{ downstreamNodes: ['n1'] }, [], false],
    ];
    for (const [gate, lines, expected] of cases) {
      const { status } = setUp(fault({ ...abort(500), ...gate })).send(lines);
      t.equal(status === FilterStatus.StopIteration, expected, JSON.stringify([gate, lines]));
    }
  });

  t.test('takes faults from headers where configured', async (t) => {
    const byHeader = fault({
      ...delay(undefined),
      abort: { source: { kind: 'header' }, percentage: ALL, responseBody: '' },
    });
    const { harness, send } = setUp(byHeader);
    t.equal(send().status, FilterStatus.Continue);
    t.equal(send([['x-envoy-fault-abort-request', '418']]).client.reply?.status, 418);
    t.equal(send([['x-envoy-fault-abort-request', '700']]).status, FilterStatus.Continue);
    t.equal(send([['x-envoy-fault-abort-request', '+418']]).client.reply?.status, 418);
    t.equal(send([['x-envoy-fault-abort-grpc-request', '5']]).client.reply?.grpcStatus, 5);
    t.equal(
      send([
        ['x-envoy-fault-abort-request', '418'],
        ['x-envoy-fault-abort-request-percentage', '0'],
      ]).status,
      FilterStatus.Continue,
    );
    const delayed = send([['x-envoy-fault-delay-request', '50']]).client;
    harness.time.advance(56);
    t.equal(delayed.continued, 1);
    t.equal(
      send([
        ['x-envoy-fault-delay-request', '50'],
        ['x-envoy-fault-delay-request-percentage', '0'],
      ]).status,
      FilterStatus.Continue,
    );
    t.equal(send([['x-envoy-fault-delay-request', '-5']]).status, FilterStatus.Continue);
  });

  t.test('keeps to the number of active faults', async (t) => {
    const { send, stat } = setUp(fault({ ...delay(1000), maxActiveFaults: 1 }));
    const first = send();
    t.equal(send().status, FilterStatus.Continue);
    t.equal(stat('faults_overflow'), 1);
    first.filter!.onDestroy();
    t.equal(send().status, FilterStatus.StopIteration);
  });

  t.test('takes what runtime says over what is configured', async (t) => {
    const config = fault({ ...delay(100), ...abort(500, { numerator: 0, denominator: 100 }) });
    const cluster: Lines = [['x-envoy-downstream-service-cluster', 'shop']];
    const run = (runtime: Readonly<Record<string, string>>, lines: Lines = []) => {
      const { harness, send } = setUp(config, undefined, runtime);
      const { client } = send(lines);
      harness.time.advance(104);
      return [client.streamInfo.flags, client.reply?.status ?? 0, client.continued];
    };
    t.same(run({}), ['DI', 0, 1]);
    t.same(run({ 'fault.http.delay.fixed_delay_percent': '0' }), ['-', 0, 0]);
    t.same(run({ 'fault.http.delay.fixed_duration_ms': '200' }), ['DI', 0, 0]);
    const percent = { 'fault.http.abort.abort_percent': '100' };
    t.same(run(percent), ['DI,FI', 500, 0]);
    t.same(run({ ...percent, 'fault.http.abort.http_status': '429' }), ['DI,FI', 429, 0]);
    t.same(
      run({ 'fault.http.abort.abort_percent': '{"numerator":1000000,"denominator":"MILLION"}' }),
      ['DI,FI', 500, 0],
    );
    t.same(run({ 'fault.http.max_active_faults': '0' }), ['-', 0, 0]);
    t.same(run(percent, cluster), ['DI', 0, 1], 'a named cluster has a key of its own');
    t.same(run({ 'fault.http.shop.abort.abort_percent': '100' }, cluster), ['DI,FI', 500, 0]);
    t.same(run({ 'fault.http.shop.delay.fixed_duration_ms': '1' }, cluster), ['DI', 0, 1]);
  });

  t.test('counts faults of callers that name their cluster', async (t) => {
    const lines: Lines = [['x-envoy-downstream-service-cluster', 'shop']];
    const { send, stat } = setUp(fault(abort(500)));
    send(lines);
    send();
    t.same([stat('aborts_injected'), stat('shop.aborts_injected')], [2, 1]);
    const off = setUp(fault({ ...abort(500), disableDownstreamClusterStats: true }));
    off.send(lines);
    t.equal(off.stat('shop.aborts_injected'), 0);
  });

  t.test('leaves its metadata on streams it touched', async (t) => {
    const filterMetadata = new Map([['why', 'chaos']]);
    const touched = setUp(fault({ ...abort(500), filterMetadata })).send().client.streamInfo;
    t.equal(touched.dynamicMetadata?.value('envoy.filters.http.fault', ['why']), 'chaos');
    const { client } = setUp(fault({ ...delay(0), filterMetadata })).send();
    t.equal(client.streamInfo.dynamicMetadata, null);
  });
});

t.test('a limited response', async (t) => {
  const limited = (limitKbps: number | undefined, lines: Lines = []) => {
    const setup = setUp(fault({ responseRateLimit: { limitKbps, percentage: ALL } }));
    const { client, filter } = setup.send(lines);
    return { ...setup, client, filter: filter! };
  };
  const sizes = (seen: readonly string[]): (number | string)[] =>
    seen.map((line) => (line.startsWith('x') ? line.replace(' end', '').length : line));

  t.test('goes out in slices of 50 ms', async (t) => {
    const { harness, client, filter, stat } = limited(1);
    t.equal(filter.encodeData(Buffer.alloc(120, 'x'), true), FilterStatus.Consumed);
    t.same(sizes(client.seen), [51], 'the first at once');
    for (let i = 0; i < 3; i++) harness.time.advance(52);
    t.same(
      client.seen.map((line) => line.endsWith(' end')),
      [false, false, true],
    );
    t.equal(client.seen.join('').replace(' end', '').length, 120);
    t.same([stat('response_rl_injected'), stat('active_faults')], [1, 1]);
    filter.onDestroy();
    t.same([stat('active_faults'), harness.timers.size], [0, 0]);
  });

  t.test('keeps its trailers behind its body', async (t) => {
    const { harness, client, filter } = limited(1);
    filter.encodeData(Buffer.alloc(60, 'x'), false);
    t.equal(filter.encodeTrailers(new HeaderMap()), FilterStatus.StopIteration);
    harness.time.advance(52);
    t.same(sizes(client.seen), [51, 9, 'continued']);
    const none = limited(1);
    t.equal(none.filter.encodeTrailers(new HeaderMap()), FilterStatus.Continue);
  });

  t.test('stops an upstream that is faster, and lets it go on', async (t) => {
    const { harness, client, filter } = limited(16);
    filter.encodeData(Buffer.alloc(2048, 'x'), false);
    t.equal(client.responsePauses, 1);
    harness.time.advance(52);
    t.equal(client.responsePauses, 0, 'half of the limit is left');
    filter.onDestroy();
  });

  t.test('is limited by header where configured', async (t) => {
    const by = (value: string): FilterStatus =>
      limited(undefined, [['x-envoy-fault-throughput-response', value]]).filter.encodeData(
        Buffer.from('x'),
        true,
      );
    t.equal(by('5'), FilterStatus.Consumed);
    for (const none of ['0', '-1', 'fast', '']) t.equal(by(none), FilterStatus.Continue, none);
  });
});
