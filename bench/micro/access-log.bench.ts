// One access log line: Istio's text format, parts of it, and a request that a filter leaves out. Run: node bench/micro/access-log.bench.ts
import { compileAccessLogFormat } from '../../proxy/access-log/access-logger.ts';
import {
  NO_FILTER_ENVIRONMENT,
  compileAccessLogFilter,
} from '../../proxy/access-log/access-log-filter.ts';
import { EMPTY_ENVIRONMENT } from '../../proxy/access-log/format-environment.ts';
import { sampleEntry } from '../../test/support/access-log-entry.ts';
import { ISTIO_LOG_FORMAT } from '../load/envoy-bootstrap.ts';
import { bench } from './micro-bench.ts';

const entry = sampleEntry();
const text = { kind: 'text', text: ISTIO_LOG_FORMAT, omitEmptyValues: false } as const;
const istio = compileAccessLogFormat(text, EMPTY_ENVIRONMENT);
bench("format: Istio's text, 23 fields", () => istio.format(entry));

const short = compileAccessLogFormat(
  { ...text, text: '%RESPONSE_CODE% %DURATION% %REQ(:PATH)%\n' },
  EMPTY_ENVIRONMENT,
);
bench('format: three fields', () => short.format(entry));
bench(
  'format: start time',
  (() => {
    const time = compileAccessLogFormat({ ...text, text: '%START_TIME%' }, EMPTY_ENVIRONMENT);
    return () => time.format(entry);
  })(),
);

const errorsOnly = compileAccessLogFilter(
  { kind: 'status_code', op: 'GE', value: 500 },
  NO_FILTER_ENVIRONMENT,
);
bench('filter: status code, does not pass', () => errorsOnly(entry));
bench("compile: Istio's text format", () => compileAccessLogFormat(text, EMPTY_ENVIRONMENT));
