// Main's end of the access log service: streams that come with the first batch and come again, and services that are not there.
import type { Http2Server, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { AccessLogService } from '../../../proxy/xds/access-log-service.ts';
import { EMPTY_ENVIRONMENT } from '../../../proxy/access-log/format-environment.ts';
import { LogRecorder } from '../../../proxy/access-log/log-record.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { accessLogServer } from '../../support/access-log-server.ts';
import { sampleEntry } from '../../support/access-log-entry.ts';
import { captureLog } from '../../support/captured-log.ts';
import { channelTo } from '../../support/grpc-channel-to.ts';
import { eventually } from '../../support/eventually.ts';
import type { GrpcLogConfig } from '../../../proxy/config/access-log-config.ts';
import type { LogRecord } from '../../../proxy/config/log-record.ts';
import type { JsonObject } from '../../../xds-protos/well-known-types.ts';

const CONFIG: GrpcLogConfig = {
  kind: 'grpc',
  entries: 'http',
  logName: 'name',
  cluster: 'als',
  authority: 'als.example',
  initialMetadata: new Map([['x-meta', 'data']]),
  flushIntervalMs: 1000,
  bufferBytes: 1000,
  filterStateObjects: [],
  tags: [],
  requestHeaders: [],
  responseHeaders: [],
  responseTrailers: [],
};
const NODE = { id: 'node', cluster: 'c', metadataJson: '{}', locality: undefined };
const RECORD: LogRecord = new LogRecorder(CONFIG, EMPTY_ENVIRONMENT).record(sampleEntry());

interface Ends {
  readonly service: AccessLogService;
  readonly stats: StatsStore;
  readonly server: Http2Server;
  readonly messages: JsonObject[];
  readonly streams: ServerHttp2Stream[];
  readonly authorities: string[];
}

async function connected(t: Test, pause = false): Promise<Ends> {
  const messages: JsonObject[] = [];
  const streams: ServerHttp2Stream[] = [];
  const authorities: string[] = [];
  const server = accessLogServer({
    onStream(headers, stream) {
      authorities.push(`${String(headers[':authority'])} ${String(headers['x-meta'])}`);
      streams.push(stream);
      // Before the listener of data, which would let it flow again.
      if (pause) stream.pause();
    },
    onMessage: (message) => messages.push(message),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stats = new StatsStore();
  const service = new AccessLogService({
    node: NODE,
    userAgentVersion: '',
    stats,
    log: captureLog().logger,
    connect: (_cluster, authority) => channelTo(`127.0.0.1:${port}`, authority),
  });
  t.teardown(() => {
    service.close();
    for (const stream of streams) stream.session?.destroy();
    server.close();
  });
  return { service, stats, server, messages, streams, authorities };
}

t.test('AccessLogService', async (t) => {
  t.test('names itself in the first message of a stream', async (t) => {
    const { service, messages, authorities, stats } = await connected(t);
    let done = 0;
    service.send('k', CONFIG, [RECORD, RECORD], () => done++);
    service.send('k', CONFIG, [RECORD], () => done++);
    await eventually('both batches arrive', () => messages.length === 2);
    t.equal(done, 2);
    t.same(authorities, ['als.example data']);
    t.match(messages[0], { identifier: { node: { id: 'node' }, log_name: 'name' } });
    t.equal(messages[1]!['identifier'], undefined);
    const entries = (message: JsonObject): unknown[] =>
      (message['http_logs'] as { log_entry: unknown[] }).log_entry;
    t.same(
      messages.map((message) => entries(message).length),
      [2, 1],
    );
    t.match(entries(messages[0]!)[0], {
      common_properties: { route_name: 'default', upstream_request_attempt_count: 1 },
      request: { request_method: 'GET', path: '/reviews/1?full=yes' },
    });
    t.equal(stats.value(stats.counter('access_logs.grpc_access_log.grpc_entries_flushed')), 3);
  });

  t.test('opens another stream after one that ended', async (t) => {
    const { service, messages, streams } = await connected(t);
    service.send('k', CONFIG, [RECORD], () => {});
    await eventually('the first arrives', () => messages.length === 1);
    streams[0]!.close();
    await eventually('another stream comes', () => {
      service.send('k', CONFIG, [RECORD], () => {});
      return streams.length > 1 && messages.some((message, i) => i > 0 && 'identifier' in message);
    });
    t.pass();
  });

  t.test('lets a worker wait while the service does not read', async (t) => {
    const { service, streams, messages } = await connected(t, true);
    const batch = Array.from({ length: 2000 }, () => RECORD);
    let sent = 0;
    let done = 0;
    await eventually('a batch waits', () => {
      service.send('k', CONFIG, batch, () => done++);
      sent++;
      return done < sent && streams.length === 1;
    });
    streams[0]!.resume();
    await eventually('all are done', () => done === sent && messages.length === sent);
    t.ok(sent > 0);
  });

  t.test('tells once that a service is not there, and goes on', (t) => {
    const captured = captureLog();
    const stats = new StatsStore();
    const service = new AccessLogService({
      node: NODE,
      userAgentVersion: '',
      stats,
      log: captured.logger,
      connect: () => 'it has no host',
    });
    let done = 0;
    for (let i = 0; i < 3; i++) service.send('k', CONFIG, [RECORD], () => done++);
    t.equal(done, 3);
    t.equal(stats.value(stats.counter('access_logs.grpc_access_log.grpc_entries_flush_failed')), 3);
    t.same(captured.lines, ["warning access log service 'als' lost entries: it has no host"]);
    t.end();
  });
});
