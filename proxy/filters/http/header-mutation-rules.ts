// [w] HeaderMutationRules: what a server that is asked may change in a request, compiled.
import type { HeaderMutationRulesConfig } from '../../config/header-mutation-rules-config.ts';
import { FullMatchRegex } from '../../router/regex.ts';

const ROUTING: ReadonlySet<string> = new Set(['host', ':authority', ':scheme', ':method']);

export class HeaderMutationRules {
  readonly #config: HeaderMutationRulesConfig;
  readonly #allow: FullMatchRegex | null;
  readonly #disallow: FullMatchRegex | null;

  constructor(config: HeaderMutationRulesConfig) {
    const compile = (pattern: string, field: string): FullMatchRegex | null =>
      pattern === '' ? null : new FullMatchRegex(pattern, field);
    this.#config = config;
    this.#allow = compile(config.allowPattern, 'allow_expression');
    this.#disallow = compile(config.disallowPattern, 'disallow_expression');
  }

  get disallowIsError(): boolean {
    return this.#config.disallowIsError;
  }

  /** `name` in lower case. */
  allows(name: string): boolean {
    const { allowRouting, allowEnvoy, disallowSystem, disallowAll } = this.#config;
    if (this.#disallow !== null && this.#disallow.matches(name)) return false;
    if (this.#allow !== null && this.#allow.matches(name)) return true;
    if (disallowAll || (disallowSystem && name.startsWith(':'))) return false;
    if (!allowRouting && ROUTING.has(name)) return false;
    return allowEnvoy || !name.startsWith('x-envoy');
  }
}
