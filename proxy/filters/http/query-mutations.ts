// [b] QueryMutations: query parameters to add and remove. The query is written anew, its names in order, as Envoy
// writes it; but values that came encoded stay so (Envoy writes them decoded, CR and LF included).
import type { QueryOperationConfig } from '../../config/header-mutation-filter-config.ts';
import type { RequestHeaders } from '../../http/header-map.ts';
import { HeaderFormat } from '../../router/header-format.ts';
import { percentDecoded } from '../../access-log/query-text.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import { wireText } from '../../router/wire-text.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';

interface QueryOperation {
  readonly name: string;
  /** As it is written; and the format of its value, null to remove it. */
  readonly encodedName: string;
  readonly format: HeaderFormat | null;
  readonly action: (QueryOperationConfig & { kind: 'append' })['action'];
}

export class QueryMutations {
  readonly #operations: readonly QueryOperation[];

  /** Throws ConfigError with `place` for a bad %COMMAND%. */
  constructor(
    configs: readonly QueryOperationConfig[],
    place: string,
    environment: RouteEnvironment,
  ) {
    this.#operations = configs.map((config, i) => ({
      name: wireText(config.name),
      encodedName: percentEncoded(wireText(config.name)),
      format:
        config.kind === 'append'
          ? new HeaderFormat(config.value, `${place}[${i}].append.record.value`, {
              environment: environment.format,
            })
          : null,
      action: config.kind === 'append' ? config.action : 'OVERWRITE_IF_EXISTS',
    }));
  }

  mutate(headers: RequestHeaders, info: StreamInfo): void {
    if (this.#operations.length === 0) return;
    const query = new Query(headers.path);
    for (const operation of this.#operations) {
      const { name, encodedName, format, action } = operation;
      if (format === null) query.remove(name);
      else {
        const present = query.has(name);
        if (action === 'ADD_IF_ABSENT' ? present : action === 'OVERWRITE_IF_EXISTS' && !present)
          continue;
        if (action.startsWith('OVERWRITE')) query.remove(name);
        query.add(name, `${encodedName}=${percentEncoded(format.format(headers, null, info))}`);
      }
    }
    headers.path = query.path();
  }
}

/** A path's query as pieces, `name=value` as they are on the wire, by decoded name. */
export class Query {
  readonly #path: string;
  readonly #pieces = new Map<string, string[]>();

  constructor(path: string) {
    const question = path.indexOf('?');
    this.#path = question < 0 ? path : path.slice(0, question);
    if (question < 0) return;
    const pieces = path.slice(question + 1).split('&');
    if (pieces.at(-1) === '') pieces.pop();
    for (const piece of pieces) {
      const equals = piece.indexOf('=');
      const name = percentDecoded(equals < 0 ? piece : piece.slice(0, equals));
      this.add(name, equals < 0 ? `${piece}=` : piece);
    }
  }

  has(name: string): boolean {
    return this.#pieces.has(name);
  }

  remove(name: string): void {
    this.#pieces.delete(name);
  }

  add(name: string, piece: string): void {
    const present = this.#pieces.get(name);
    if (present === undefined) this.#pieces.set(name, [piece]);
    else present.push(piece);
  }

  path(): string {
    const names = [...this.#pieces.keys()].sort();
    if (names.length === 0) return this.#path;
    return `${this.#path}?${names.flatMap((name) => this.#pieces.get(name)!).join('&')}`;
  }
}

/** The characters that stay are Envoy's choice. */
export function percentEncoded(text: string): string {
  let encoded = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    encoded += /[A-Za-z0-9._*-]/.test(char)
      ? char
      : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
