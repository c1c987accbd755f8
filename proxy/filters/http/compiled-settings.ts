// [w] CompiledSettings: what a filter made of a piece of configuration, made once. Entries go with the configuration.

export class CompiledSettings<Config extends object, Compiled> {
  readonly #compile: (config: Config) => Compiled;
  readonly #compiled = new WeakMap<Config, Compiled>();

  constructor(compile: (config: Config) => Compiled) {
    this.#compile = compile;
  }

  of(config: Config): Compiled {
    let compiled = this.#compiled.get(config);
    if (compiled === undefined) {
      compiled = this.#compile(config);
      this.#compiled.set(config, compiled);
    }
    return compiled;
  }
}
