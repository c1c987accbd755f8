// [m] Domains of one route table: each may be claimed by one virtual host only (envoy-behaviour §3.1).
import type { VirtualHost } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader } from './matcher-decoder.ts';

export class DomainRegistry {
  readonly #tableName: string;
  readonly #taken = new Set<string>();

  constructor(tableName: string) {
    this.#tableName = tableName;
  }

  /** The domains of `reader`, lower-case; each duplicate is a problem. */
  claim(reader: FieldReader<VirtualHost>): readonly string[] {
    const domains = (reader.message.domains ?? []).map((domain) => domain.toLowerCase());
    if (domains.length === 0) reader.problem('domains', 'at least one is required');
    domains.forEach((domain, index) => {
      const problem = this.#problemOf(domain);
      if (problem !== undefined) reader.problem(`domains[${index}]`, problem);
      this.#taken.add(domain);
    });
    return domains;
  }

  #problemOf(domain: string): string | undefined {
    if (breaksHeader(domain)) return 'must not hold NUL, CR or LF';
    if (!this.#taken.has(domain)) return undefined;
    if (domain === '*')
      return `Only a single wildcard domain is permitted in route ${this.#tableName}`;
    return `Only unique values for domains are permitted. Duplicate entry of domain ${domain} in route ${this.#tableName}`;
  }
}
