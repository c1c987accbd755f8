// [m] /logging: lists levels of components, sets one, several or all (envoy-behaviour §12.2).
import { LOG_LEVELS } from '../../base/logger.ts';
import type { LogLevel } from '../../base/logger.ts';
import type { AdminContext } from '../admin-context.ts';
import { textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';

const USAGE =
  'usage: /logging?<name>=<level> (change single level)\n' +
  'usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n' +
  'usage: /logging?level=<level> (change all levels)\n' +
  'usage: /logging?group=<group_name>:<level> (change group of loggers)\n' +
  `levels: ${LOG_LEVELS.join(' ')} \n`;

export function handleLogging(context: AdminContext, query: AdminQuery): AdminResponse {
  const error = applyLevels(context, query);
  if (error === undefined) return textResponse(activeLoggers(context));
  return textResponse(`error: ${error}\n\n${USAGE}${activeLoggers(context)}`, 400);
}

function activeLoggers(context: AdminContext): string {
  const loggers = [...context.logLevels()].sort((a, b) => (a.component < b.component ? -1 : 1));
  return `active loggers:\n${loggers.map(({ component, level }) => `  ${component}: ${level}\n`).join('')}\n`;
}

/** What is wrong; then nothing was changed. */
function applyLevels(context: AdminContext, query: AdminQuery): string | undefined {
  // The form of the home page sends what was left empty, too.
  const given =
    query.size > 1 ? query.entries().filter(([, value]) => value !== '') : query.entries();
  if (given.length > 1) return 'invalid number of parameters';
  if (given.length === 0) return undefined;
  const [name, value] = given[0]!;
  if (name === 'paths') return applyPaths(context, value);
  if (value === '') return name === 'level' ? undefined : 'empty logger name or empty logger level';
  const group = name === 'group' ? value.split(':') : undefined;
  const level = parseLevel(group === undefined ? value : (group[1] ?? ''));
  if (level === undefined) return 'unknown logger level';
  const component = name === 'level' ? undefined : (group?.[0] ?? name);
  return context.setLogLevel(component, level) ? undefined : 'unknown logger name';
}

/** `a:debug,b:info`: all are checked before the first is set. */
function applyPaths(context: AdminContext, text: string): string | undefined {
  const known = new Set(context.logLevels().map(({ component }) => component));
  const changes: { readonly component: string; readonly level: LogLevel }[] = [];
  for (const pair of text.split(',')) {
    const colon = pair.indexOf(':');
    const component = pair.slice(0, Math.max(0, colon));
    if (component === '' || colon === pair.length - 1)
      return 'empty logger name or empty logger level';
    const level = parseLevel(pair.slice(colon + 1));
    if (level === undefined) return 'unknown logger level';
    if (!known.has(component)) return 'unknown logger name';
    changes.push({ component, level });
  }
  for (const { component, level } of changes) context.setLogLevel(component, level);
  return undefined;
}

/** Envoy also takes spdlog's `warn`. */
function parseLevel(text: string): LogLevel | undefined {
  const name = text === 'warn' ? 'warning' : text;
  return LOG_LEVELS.find((level) => level === name);
}
