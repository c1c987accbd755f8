// [m] Where the agent's log lines go: standard output, in Istio's text form (time, level, scope, message) or as JSON.
import type { LogRecord, LogSink } from '../proxy/base/logger.ts';
import { LoggerRegistry, LOG_LEVELS } from '../proxy/base/logger.ts';
import type { LogLevel } from '../proxy/base/logger.ts';

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** A peer's text can carry line breaks; written as JSON it stays inside its line. */
const oneLine = (text: string): string => (CONTROL.test(text) ? JSON.stringify(text) : text);

function textLine(record: LogRecord, time: string): string {
  let line = `${time}\t${record.level}\t${record.component}\t${oneLine(record.message)}`;
  for (const [name, value] of Object.entries(record.fields ?? {})) {
    line += `\t${name}=${oneLine(String(value))}`;
  }
  return `${line}\n`;
}

function jsonLine(record: LogRecord, time: string): string {
  const { level, component: scope, message: msg, fields } = record;
  return `${JSON.stringify({ ...fields, level, time, scope, msg })}\n`;
}

export interface LineWriter {
  write(line: string): unknown;
}

export function lineSink(out: LineWriter, asJson: boolean, nowMs: () => number): LogSink {
  const format = asJson ? jsonLine : textLine;
  return (record) => out.write(format(record, new Date(nowMs()).toISOString()));
}

const ISTIO_LEVELS: ReadonlyMap<string, LogLevel> = new Map<string, LogLevel>([
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warning'],
  ['error', 'error'],
  ['fatal', 'critical'],
  ['none', 'off'],
  ...LOG_LEVELS.map((level): [string, LogLevel] => [level, level]),
]);

export interface LevelChoice {
  readonly general: LogLevel;
  readonly scopes: ReadonlyMap<string, LogLevel>;
}

/** `info` or `default:info,xdsproxy:debug`; undefined where a level is unknown. */
export function parseOutputLevels(text: string): LevelChoice | undefined {
  let general: LogLevel = 'info';
  const scopes = new Map<string, LogLevel>();
  for (const part of text.split(',')) {
    const colon = part.indexOf(':');
    const level = ISTIO_LEVELS.get(part.slice(colon + 1));
    if (level === undefined) return undefined;
    const scope = colon < 0 ? 'default' : part.slice(0, colon);
    if (scope === 'default' || scope === 'all') general = level;
    else scopes.set(scope, level);
  }
  return { general, scopes };
}

export function createLoggers(choice: LevelChoice, sink: LogSink): LoggerRegistry {
  const loggers = new LoggerRegistry(choice.general, sink);
  for (const [scope, level] of choice.scopes) loggers.get(scope).level = level;
  return loggers;
}
