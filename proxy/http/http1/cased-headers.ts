// [w] Heads whose names keep, or get, another case than lower: only for listeners and clusters that ask for it.
import type {
  HeaderKeyFormat,
  PreserveCaseConfig,
} from '../../config/http-connection-manager-config.ts';
import type { HeaderCasing } from '../header-casing.ts';
import { properCase } from '../header-casing.ts';
import { RequestHeaders, ResponseHeaders } from '../header-map.ts';
import type { HeaderMap } from '../header-map.ts';

export const preserveCaseOf = (format: HeaderKeyFormat | undefined): PreserveCaseConfig | null =>
  typeof format === 'object' ? format : null;

export class CasedRequestHeaders extends RequestHeaders {
  readonly #casing: HeaderCasing;

  constructor(casing: HeaderCasing) {
    super();
    this.#casing = casing;
  }

  override get casing(): HeaderCasing {
    return this.#casing;
  }

  override clone(): RequestHeaders {
    return this.copyTo(new CasedRequestHeaders(this.#casing));
  }
}

export class CasedResponseHeaders extends ResponseHeaders {
  readonly #casing: HeaderCasing;

  constructor(casing: HeaderCasing) {
    super();
    this.#casing = casing;
  }

  override get casing(): HeaderCasing {
    return this.#casing;
  }
}

/** `text`: a head of `headers` in lower case. `own`: the format of the connection it goes to. Envoy leaves trailers alone. */
export function inOwnCase(text: string, headers: HeaderMap, own: HeaderKeyFormat): string {
  const casing = headers.casing;
  if (casing !== null) return recased(text, (name) => casing.format(name));
  return own === 'proper_case' ? recased(text, properCase) : text;
}

/** With the reason phrase of the server too, where that is asked for. */
export function responseInOwnCase(
  text: string,
  headers: ResponseHeaders,
  own: HeaderKeyFormat,
): string {
  const cased = inOwnCase(text, headers, own);
  if (headers.casing?.config.forwardReasonPhrase !== true || headers.reason === '') return cased;
  const lineEnd = cased.indexOf('\r\n');
  return `${cased.slice(0, 12)} ${headers.reason}${cased.slice(lineEnd)}`;
}

/** The start line stays. */
function recased(text: string, write: (name: string) => string): string {
  const lines = text.split('\r\n');
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    const colon = line.indexOf(':');
    if (colon > 0) lines[i] = write(line.slice(0, colon)) + line.slice(colon);
  }
  return lines.join('\r\n');
}
