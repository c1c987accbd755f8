// [w] SSL_CTXs by what they are made of: a thousand clusters that show the same certificate share one.
import { crypto } from '../base/node-builtins.ts';
import type { SecureContextOptions } from 'node:tls';
import { ConfigError } from '../config/config-error.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { NativeContext } from './tls-binding.ts';
import { newContext } from './tls-binding.ts';

/** Above so many, those that are gone are looked for. */
const SWEEP_ABOVE = 64;

export class NativeContexts {
  readonly #known = new Map<string, WeakRef<NativeContext>>();

  /**
   * `tickets`: they serve it, instead of the one key in `options`. Throws ConfigError where OpenSSL does not take what is given;
   * no message holds any of it.
   */
  get(options: SecureContextOptions, tickets: TicketKeys | null = null): NativeContext {
    const text = JSON.stringify(options) + (tickets?.names ?? '');
    const key = crypto().createHash('sha256').update(text).digest('base64');
    const known = this.#known.get(key)?.deref();
    if (known !== undefined) return known;
    const made = create(options);
    tickets?.serve(made);
    if (this.#known.size > SWEEP_ABOVE) this.#sweep();
    this.#known.set(key, new WeakRef(made));
    return made;
  }

  #sweep(): void {
    for (const [key, ref] of this.#known) if (ref.deref() === undefined) this.#known.delete(key);
  }
}

function create(options: SecureContextOptions): NativeContext {
  try {
    return newContext(options);
  } catch (error) {
    const { code = 'UNKNOWN' } = error as { readonly code?: string };
    throw new ConfigError([
      { path: '', message: `Failed to load TLS certificates and parameters: ${code}` },
    ]);
  }
}
