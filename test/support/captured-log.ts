// [b] A logger whose lines a test can read.
import { LoggerRegistry } from '../../proxy/base/logger.ts';
import type { Logger } from '../../proxy/base/logger.ts';

export interface CapturedLog {
  readonly loggers: LoggerRegistry;
  readonly logger: Logger;
  /** `level message`, oldest first. */
  readonly lines: string[];
}

export function captureLog(): CapturedLog {
  const lines: string[] = [];
  const loggers = new LoggerRegistry('debug', ({ level, message }) =>
    lines.push(`${level} ${message}`),
  );
  return { loggers, logger: loggers.get('test'), lines };
}
