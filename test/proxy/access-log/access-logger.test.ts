// Access loggers from configuration: filters, formats, sinks that do nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createAccessLog } from '../../../proxy/access-log/access-logger.ts';
import { compileAccessLogFilter } from '../../../proxy/access-log/access-log-filter.ts';
import { realRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { filterEnvironment } from '../../../proxy/router/log-filter-environment.ts';
import { LogFiles } from '../../../proxy/access-log/log-files.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { sampleEntry, sampleInfo } from '../../support/access-log-entry.ts';
import type {
  AccessLogFilterConfig,
  AccessLogSink,
} from '../../../proxy/config/access-log-config.ts';

const RUNTIME = new Runtime(new Map([['low', '100']]));

const logged = (
  sink: (path: string) => AccessLogSink,
  directory: string,
  filter?: AccessLogFilterConfig,
): string => {
  const path = join(directory, 'access.log');
  const files = new LogFiles(new SimulatedTime(), 10_000);
  createAccessLog({ name: 'file', sink: sink(path), filter }, { files })!.log(sampleEntry());
  files.close();
  return readFileSync(path, 'utf8');
};

t.test('createAccessLog', (t) => {
  t.test('prints the default format where none is given', (t) => {
    const text = { kind: 'text', text: '', omitEmptyValues: false } as const;
    t.match(
      logged((path) => ({ kind: 'file', path, format: text }), t.testdir()),
      /^\[2024-.*"10\.1\.0\.7:9080"\n$/,
    );
    t.end();
  });

  t.test('prints JSON', (t) => {
    const json = {
      kind: 'json',
      json: '{"b":"%ROUTE_NAME%","a":"%REQ(x)%"}',
      omitEmptyValues: true,
    } as const;
    t.equal(
      logged((path) => ({ kind: 'file', path, format: json }), t.testdir()),
      '{"b":"default"}\n',
    );
    t.end();
  });

  t.test('leaves out what the filter does not take', (t) => {
    const text = { kind: 'text', text: 'x\n', omitEmptyValues: false } as const;
    const filter = { kind: 'status_code', op: 'GE', value: 400 } as const;
    t.equal(
      logged((path) => ({ kind: 'file', path, format: text }), t.testdir(), filter),
      '',
    );
    t.end();
  });

  t.test('is null for sinks that are not built', (t) => {
    const files = new LogFiles(new SimulatedTime(), 10_000);
    t.equal(
      createAccessLog(
        { name: 'grpc', sink: { kind: 'inert', typeUrl: 'x' }, filter: undefined },
        { files },
      ),
      null,
    );
    t.end();
  });
  t.end();
});

t.test('AccessLogFilter', (t) => {
  const failed = sampleInfo();
  failed.responseCode = 503;
  failed.setFlag('UF');
  const check = sampleInfo();
  check.healthCheck = true;
  const text = (value: string) =>
    ({ kind: 'string', match: { kind: 'exact', value, ignoreCase: false } }) as const;
  const keyIs = (value: string) => ({
    namespace: 'n',
    path: ['k'],
    value: text(value),
    invert: false,
  });
  failed.metadataForWriting().set('n', 'k', 'v');
  const cases: readonly (readonly [AccessLogFilterConfig, boolean, boolean, boolean])[] = [
    [{ kind: 'status_code', op: 'GE', value: 500 }, false, true, false],
    [{ kind: 'status_code', op: 'NE', value: 503 }, true, false, true],
    [{ kind: 'duration', op: 'LE', value: 12 }, true, true, true],
    [{ kind: 'duration', op: 'EQ', value: 13 }, false, false, false],
    [{ kind: 'response_flag', flags: [] }, false, true, false],
    [{ kind: 'response_flag', flags: ['NR', 'UF'] }, false, true, false],
    [{ kind: 'response_flag', flags: ['NR'] }, false, false, false],
    [{ kind: 'not_health_check' }, true, true, false],
    [{ kind: 'inert', typeUrl: 'cel' }, true, true, true],
    [{ kind: 'traceable' }, false, false, false],
    [{ kind: 'status_code', op: 'GE', value: 500, runtimeKey: 'low' }, true, true, true],
    [{ kind: 'grpc_status', statuses: [2], exclude: false }, true, false, true],
    [{ kind: 'grpc_status', statuses: [14], exclude: true }, true, false, true],
    [{ kind: 'log_type', types: ['DownstreamEnd'], exclude: true }, false, false, false],
    [
      {
        kind: 'header',
        match: {
          name: 'user-agent',
          test: text('curl/8.5.0'),
          invert: false,
          treatMissingAsEmpty: false,
        },
      },
      true,
      true,
      true,
    ],
    // 0xf1e2d3c4 % 100 is 4.
    [
      { kind: 'runtime', fraction: { numerator: 5, denominator: 100 }, independent: false },
      true,
      true,
      true,
    ],
    [
      { kind: 'runtime', fraction: { numerator: 4, denominator: 100 }, independent: false },
      false,
      false,
      false,
    ],
    [{ kind: 'metadata', match: keyIs('v'), matchIfKeyNotFound: false }, false, true, false],
    [{ kind: 'metadata', match: keyIs('w'), matchIfKeyNotFound: true }, true, false, true],
    [
      {
        kind: 'and',
        filters: [{ kind: 'not_health_check' }, { kind: 'status_code', op: 'EQ', value: 200 }],
      },
      true,
      false,
      false,
    ],
    [
      {
        kind: 'or',
        filters: [
          { kind: 'response_flag', flags: ['UF'] },
          { kind: 'status_code', op: 'EQ', value: 200 },
        ],
      },
      true,
      true,
      true,
    ],
  ];
  for (const [config, plain, failure, healthCheck] of cases) {
    t.test(`evaluates ${JSON.stringify(config)}`, (t) => {
      const filter = compileAccessLogFilter(config, filterEnvironment(RUNTIME, realRandom));
      t.equal(filter(sampleEntry()), plain);
      t.equal(filter(sampleEntry({ info: failed })), failure);
      t.equal(filter(sampleEntry({ info: check })), healthCheck);
      t.end();
    });
  }
  t.end();
});
