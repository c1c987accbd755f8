// [m] Decodes lists of access loggers, which many listeners have not.
import type { AccessLog } from '../../xds-protos/gen/envoy.config.accesslog.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { FieldReader } from './field-reader.ts';

const decoder = lazyPart<typeof import('./access-log-decoder.ts')>('xds/access-log-decoder');

export const decodeAccessLogs = (
  readers: readonly FieldReader<AccessLog>[],
): readonly AccessLogConfig[] => (readers.length === 0 ? [] : decoder().decodeLoggers(readers));
