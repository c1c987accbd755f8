// [m] LogLevels: what /logging changed, on main and for workers, also those that start later.
import type { LoggerRegistry, LogLevel } from '../base/logger.ts';
import type { ToWorker } from './worker-protocol.ts';

export class LogLevels {
  readonly #loggers: LoggerRegistry;
  /** The newest of each component; one for all takes the place of all. */
  #messages: readonly ToWorker[] = [];

  constructor(loggers: LoggerRegistry) {
    this.#loggers = loggers;
  }

  get messages(): readonly ToWorker[] {
    return this.#messages;
  }

  /** What workers are to be told; undefined: no component of that name. */
  set(component: string | undefined, level: LogLevel): ToWorker | undefined {
    const message: ToWorker = { kind: 'log_level', component, level };
    if (component === undefined) {
      this.#loggers.setAll(level);
      this.#messages = [message];
      return message;
    }
    if (!this.#loggers.setLevel(component, level)) return undefined;
    const others = this.#messages.filter(
      (m) => m.kind === 'log_level' && m.component !== component,
    );
    this.#messages = [...others, message];
    return message;
  }
}
