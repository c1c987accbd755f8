// [b] Logger: a level per component that can change at run time; a switched-off level costs one comparison.

export const LOG_LEVELS = [
  'trace',
  'debug',
  'info',
  'warning',
  'error',
  'critical',
  'off',
] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogRecord {
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

export type LogSink = (record: LogRecord) => void;

/** One per component and thread. `debugOn` lets a caller skip building a message. */
export class Logger {
  readonly component: string;
  readonly #sink: LogSink;
  #threshold: number;

  constructor(component: string, level: LogLevel, sink: LogSink) {
    this.component = component;
    this.#sink = sink;
    this.#threshold = LOG_LEVELS.indexOf(level);
  }

  get level(): LogLevel {
    return LOG_LEVELS[this.#threshold]!;
  }

  set level(level: LogLevel) {
    this.#threshold = LOG_LEVELS.indexOf(level);
  }

  get debugOn(): boolean {
    return this.#threshold <= 1;
  }

  debug(message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#threshold <= 1)
      this.#sink({ level: 'debug', component: this.component, message, fields });
  }

  info(message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#threshold <= 2)
      this.#sink({ level: 'info', component: this.component, message, fields });
  }

  warn(message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#threshold <= 3)
      this.#sink({ level: 'warning', component: this.component, message, fields });
  }

  error(message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#threshold <= 4)
      this.#sink({ level: 'error', component: this.component, message, fields });
  }

  critical(message: string, fields?: Readonly<Record<string, unknown>>): void {
    if (this.#threshold <= 5)
      this.#sink({ level: 'critical', component: this.component, message, fields });
  }
}

/** All loggers of one thread, so that levels can be set by component name. */
export class LoggerRegistry {
  readonly #loggers = new Map<string, Logger>();
  readonly #sink: LogSink;
  #defaultLevel: LogLevel;

  constructor(defaultLevel: LogLevel, sink: LogSink) {
    this.#defaultLevel = defaultLevel;
    this.#sink = sink;
  }

  get(component: string): Logger {
    let logger = this.#loggers.get(component);
    if (logger === undefined) {
      logger = new Logger(component, this.#defaultLevel, this.#sink);
      this.#loggers.set(component, logger);
    }
    return logger;
  }

  /** False when there is no such component (Envoy answers an error then). */
  setLevel(component: string, level: LogLevel): boolean {
    const logger = this.#loggers.get(component);
    if (logger === undefined) return false;
    logger.level = level;
    return true;
  }

  setAll(level: LogLevel): void {
    this.#defaultLevel = level;
    for (const logger of this.#loggers.values()) logger.level = level;
  }

  levels(): readonly { readonly component: string; readonly level: LogLevel }[] {
    return [...this.#loggers.values()].map((l) => ({ component: l.component, level: l.level }));
  }
}
