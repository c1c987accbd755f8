// [m] LastGood: the kept configuration as the relay sees it: when it is served, and that it is told (readiness detail, metrics, log).
import type { TimeSource } from '../../proxy/base/clock.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { ResponseHandler } from '../xds-proxy/response-handlers.ts';
import type { KeptConfig } from './kept-config.ts';
import type { LastGoodFile } from './last-good-file.ts';

export interface LastGoodParts {
  readonly file: LastGoodFile;
  /** Of what the agent keeps for itself: it gets what was kept too. */
  readonly handlers: ReadonlyMap<string, ResponseHandler>;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
}

export class LastGood {
  readonly file: LastGoodFile;
  readonly #parts: LastGoodParts;
  #warning: string | undefined;

  constructor(parts: LastGoodParts) {
    this.#parts = parts;
    this.file = parts.file;
  }

  /** For readiness; undefined: the proxy has what the control plane last said. */
  get warning(): string | undefined {
    return this.#warning;
  }

  /** The control plane is away, and the proxy has nothing. Undefined: neither have we. */
  serve(reason: string): KeptConfig | undefined {
    const { file, handlers, metrics, logger, time } = this.#parts;
    const found = file.read();
    if (found === undefined) {
      logger.debug('there is no kept configuration to serve');
      return undefined;
    }
    file.goOn();
    const { kept, savedMs } = found;
    for (const [typeUrl, handler] of handlers) {
      const resources = [...(kept.get(typeUrl)?.resources.values() ?? [])];
      const values = resources.flatMap(({ resource }) =>
        resource === undefined ? [] : [resource],
      );
      if (values.length > 0) handler.accept(values);
    }
    const saved = new Date(savedMs).toISOString();
    this.#warning = `configuration as kept on disk, last changed ${saved}: the control plane is away (${reason})`;
    metrics.configIsStale(true);
    const ageS = Math.max(0, Math.round((time.wallMs() - savedMs) / 1000));
    logger.warn(`serving the last good configuration, last changed ${saved}: ${reason}`, { ageS });
    return kept;
  }

  /** It answered: what the proxy gets from now on is new. */
  onAnswer(): void {
    if (this.#warning === undefined) return;
    this.#warning = undefined;
    this.#parts.metrics.configIsStale(false);
    this.#parts.logger.info(
      'the control plane is back: its configuration takes the place of the kept one',
    );
  }
}
