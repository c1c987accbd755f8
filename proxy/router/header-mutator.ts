// [b] Header additions and removals of route levels, compiled (envoy-behaviour §3.5). Within one level: removals,
// then overwrites, then appends; values are formatted before any of them is written.
import type { HeaderAddConfig, HeaderMutationConfig } from '../config/header-mutation-config.ts';
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { HeaderFormat } from './header-format.ts';
import { NO_ENVIRONMENT } from './route-environment.ts';
import type { RouteEnvironment } from './route-environment.ts';

class HeaderAdd {
  readonly name: HeaderName;
  readonly format: HeaderFormat;
  readonly action: HeaderAddConfig['action'];
  readonly keepEmpty: boolean;

  constructor(config: HeaderAddConfig, environment: RouteEnvironment, place: string) {
    this.name = headerName(config.name);
    this.format = new HeaderFormat(config.value, `${place}.header.value`, {
      environment: environment.format,
    });
    this.action = config.action;
    this.keepEmpty = config.keepEmptyValue;
  }
}

/** What is done to the head of a request before it goes upstream. */
export interface RequestChange {
  mutateRequest(headers: RequestHeaders, info: StreamInfo): void;
}

/** What one level does to requests, or to responses. */
export class HeaderMutator implements RequestChange {
  readonly #remove: readonly HeaderName[];
  readonly #add: readonly HeaderAdd[];

  /** Throws ConfigError with `place` for a bad %COMMAND%. */
  constructor(
    add: readonly HeaderAddConfig[],
    remove: readonly string[],
    place: string,
    environment: RouteEnvironment = NO_ENVIRONMENT,
  ) {
    this.#remove = remove.map(headerName);
    this.#add = add.map((config, i) => new HeaderAdd(config, environment, `${place}[${i}]`));
  }

  /** Null when there is nothing to do. */
  static forRequests(
    config: HeaderMutationConfig,
    place: string,
    environment?: RouteEnvironment,
  ): HeaderMutator | null {
    if (config.requestAdd.length === 0 && config.requestRemove.length === 0) return null;
    return new HeaderMutator(
      config.requestAdd,
      config.requestRemove,
      `${place}.request_headers_to_add`,
      environment,
    );
  }

  static forResponses(
    config: HeaderMutationConfig,
    place: string,
    environment?: RouteEnvironment,
  ): HeaderMutator | null {
    if (config.responseAdd.length === 0 && config.responseRemove.length === 0) return null;
    return new HeaderMutator(
      config.responseAdd,
      config.responseRemove,
      `${place}.response_headers_to_add`,
      environment,
    );
  }

  mutateRequest(headers: RequestHeaders, info: StreamInfo): void {
    this.#mutate(headers, headers, null, info);
  }

  mutateResponse(headers: ResponseHeaders, request: RequestHeaders, info: StreamInfo): void {
    this.#mutate(headers, request, headers, info);
  }

  #mutate(
    headers: RequestHeaders | ResponseHeaders,
    request: RequestHeaders,
    response: ResponseHeaders | null,
    info: StreamInfo,
  ): void {
    for (let i = 0; i < this.#remove.length; i++) headers.remove(this.#remove[i]!);
    if (this.#add.length === 0) return;
    if (this.#add.length === 1) {
      applyOne(headers, this.#add[0]!, this.#add[0]!.format.format(request, response, info));
      return;
    }
    this.#addSeveral(headers, request, response, info);
  }

  #addSeveral(
    headers: RequestHeaders | ResponseHeaders,
    request: RequestHeaders,
    response: ResponseHeaders | null,
    info: StreamInfo,
  ): void {
    const adds = this.#add;
    const values: (string | undefined)[] = [];
    for (let i = 0; i < adds.length; i++) {
      const add = adds[i]!;
      const value = add.format.format(request, response, info);
      values.push(applies(headers, add, value) ? value : undefined);
    }
    for (let i = 0; i < adds.length; i++) {
      if (values[i] !== undefined && overwrites(adds[i]!))
        overwrite(headers, adds[i]!.name, values[i]!);
    }
    for (let i = 0; i < adds.length; i++) {
      if (values[i] !== undefined && !overwrites(adds[i]!))
        headers.append(adds[i]!.name, values[i]!);
    }
  }
}

const overwrites = (add: HeaderAdd): boolean =>
  add.action === 'OVERWRITE_IF_EXISTS_OR_ADD' || add.action === 'OVERWRITE_IF_EXISTS';

/** The new line stands at the end, as in Envoy. */
function overwrite(
  headers: RequestHeaders | ResponseHeaders,
  name: HeaderName,
  value: string,
): void {
  headers.remove(name);
  headers.push(name, value);
}

/** Presence is judged before anything of the level is written. */
function applies(
  headers: RequestHeaders | ResponseHeaders,
  add: HeaderAdd,
  value: string,
): boolean {
  if (value === '' && !add.keepEmpty) return false;
  if (add.action === 'ADD_IF_ABSENT') return !headers.has(add.name);
  if (add.action === 'OVERWRITE_IF_EXISTS') return headers.has(add.name);
  return true;
}

function applyOne(headers: RequestHeaders | ResponseHeaders, add: HeaderAdd, value: string): void {
  if (!applies(headers, add, value)) return;
  if (overwrites(add)) overwrite(headers, add.name, value);
  else headers.append(add.name, value);
}
