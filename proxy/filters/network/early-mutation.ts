// [b] early_header_mutation_extensions: request headers changed before the connection manager looks at them.
import type { HeaderOperationConfig } from '../../config/header-mutation-filter-config.ts';
import type { EarlyHeaderMutation } from '../../http/conn-manager-utility.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';
import { HeaderOperations } from '../../router/header-operations.ts';

export class EarlyMutation implements EarlyHeaderMutation {
  readonly #operations: HeaderOperations;

  /** Throws ConfigError for a bad regex or %COMMAND%. */
  constructor(configs: readonly HeaderOperationConfig[], environment: RouteEnvironment) {
    this.#operations = new HeaderOperations(
      configs,
      'early_header_mutation_extensions',
      environment,
    );
  }

  mutate(headers: RequestHeaders, info: StreamInfo): void {
    this.#operations.apply(headers, { request: headers, response: null, info });
  }
}
