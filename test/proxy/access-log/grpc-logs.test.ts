// Entries for the access log service on their way to main: when they go, what happens when main does not keep up.
import t from 'tap';
import { GrpcLogs } from '../../../proxy/access-log/grpc-logs.ts';
import { EMPTY_ENVIRONMENT } from '../../../proxy/access-log/format-environment.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { sampleEntry } from '../../support/access-log-entry.ts';
import type { GrpcLogConfig } from '../../../proxy/config/access-log-config.ts';
import type { LogRecord } from '../../../proxy/config/log-record.ts';

const CONFIG: GrpcLogConfig = {
  kind: 'grpc',
  entries: 'http',
  logName: 'name',
  cluster: 'als',
  authority: 'als',
  initialMetadata: new Map(),
  flushIntervalMs: 1000,
  bufferBytes: 1000,
  filterStateObjects: [],
  tags: [],
  requestHeaders: ['user-agent'],
  responseHeaders: [],
  responseTrailers: [],
};

function logs() {
  const time = new SimulatedTime();
  const store = new StatsStore();
  const batches: { readonly key: string; readonly records: readonly LogRecord[] }[] = [];
  const grpc = new GrpcLogs(time, store, EMPTY_ENVIRONMENT, (key, _config, records) =>
    batches.push({ key, records }),
  );
  const counted = (): readonly number[] =>
    ['logs_written', 'logs_dropped'].map((name) =>
      store.value(store.counter(`access_logs.grpc_access_log.${name}`)),
    );
  return { time, grpc, batches, counted };
}

t.test('GrpcLogs', (t) => {
  t.test('sends what waited for its time', (t) => {
    const { time, grpc, batches, counted } = logs();
    const log = grpc.create(CONFIG, null);
    log.log(sampleEntry());
    log.log(sampleEntry());
    time.advance(999);
    t.equal(batches.length, 0);
    time.advance(1);
    t.equal(batches.length, 1);
    t.equal(batches[0]!.records.length, 2);
    const { http, routeName } = batches[0]!.records[0]!;
    t.equal(routeName, 'default');
    t.same(http?.request?.headers, new Map([['user-agent', 'curl/8.5.0']]));
    t.same(counted(), [2, 0]);
    t.equal(time.pending, 0, 'no timer without entries');
    t.end();
  });

  t.test('sends a full buffer before its time', (t) => {
    const { grpc, batches } = logs();
    const log = grpc.create(CONFIG, null);
    for (let i = 0; i < 8; i++) log.log(sampleEntry());
    t.ok(batches.length > 0);
    t.end();
  });

  t.test('keeps two batches on their way, then a full buffer, then drops and counts', (t) => {
    const { time, grpc, batches, counted } = logs();
    const log = grpc.create({ ...CONFIG, bufferBytes: 1 }, null);
    for (let i = 0; i < 5; i++) log.log(sampleEntry());
    t.equal(batches.length, 2);
    t.same(counted(), [3, 2], 'the third waits');
    grpc.onSent(batches[0]!.key);
    time.advance(0);
    t.equal(batches.length, 3, 'it goes when main has sent one');
    t.end();
  });

  t.test('shares a buffer between logs of one service, not with others', (t) => {
    const { grpc, batches } = logs();
    grpc.create(CONFIG, null).log(sampleEntry());
    grpc.create(CONFIG, null).log(sampleEntry());
    grpc.create({ ...CONFIG, logName: 'other' }, null).log(sampleEntry());
    grpc.close();
    t.same(
      batches.map(({ records }) => records.length),
      [2, 1],
    );
    t.end();
  });

  t.test('tells of what its filter takes', (t) => {
    const { grpc, counted } = logs();
    const log = grpc.create(CONFIG, ({ info }) => info.responseCode >= 500);
    log.log(sampleEntry());
    t.same(counted(), [0, 0]);
    t.end();
  });
  t.end();
});
