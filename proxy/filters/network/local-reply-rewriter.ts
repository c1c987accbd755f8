// [b] local_reply_config: mappers and formats, compiled once; what they make of a reply (envoy-behaviour §1.15).
import { compileAccessLogFilter } from '../../access-log/access-log-filter.ts';
import type { AccessLogFilter, FilterEnvironment } from '../../access-log/access-log-filter.ts';
import { BodyFormat } from '../../access-log/body-format.ts';
import type { AccessLogFormat } from '../../config/access-log-config.ts';
import type { LocalReplyConfig, LocalReplyMapperConfig } from '../../config/local-reply-config.ts';
import type { AccessLogEntry } from '../../http/conn-manager-context.ts';
import type { RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import type { LocalReplyRewriter, ReplyDraft } from '../../http/local-reply.ts';
import { HeaderMutator } from '../../router/header-mutator.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';

/** What formats, header values and filters are compiled for. */
export interface ReplyEnvironment {
  readonly routes: RouteEnvironment;
  readonly filters: FilterEnvironment;
}

interface Mapper {
  readonly filter: AccessLogFilter;
  readonly status: number | undefined;
  /** One character a byte. */
  readonly body: string | undefined;
  readonly headers: HeaderMutator | null;
  readonly format: BodyFormat | null;
}

export class ConfiguredReplyRewriter implements LocalReplyRewriter {
  readonly #mappers: readonly Mapper[];
  readonly #format: BodyFormat | null;

  /** Throws ConfigError: a format or a header value that does not compile. */
  constructor(config: LocalReplyConfig, environment: ReplyEnvironment) {
    this.#mappers = config.mappers.map((mapper, i) =>
      compileMapper(mapper, environment, `local_reply_config.mappers[${i}]`),
    );
    this.#format = bodyFormat(config.bodyFormat, environment, 'local_reply_config.body_format');
  }

  rewrite(
    draft: ReplyDraft,
    headers: ResponseHeaders,
    request: RequestHeaders,
    info: StreamInfo,
  ): void {
    const mapper = this.#mappers.find(({ filter }) =>
      filter(entryOf(draft, headers, request, info)),
    );
    if (mapper !== undefined) {
      if (mapper.body !== undefined) draft.body = mapper.body;
      mapper.headers?.mutateResponse(headers, request, info);
      if (mapper.status !== undefined) {
        draft.status = mapper.status;
        headers.status = mapper.status;
        info.responseCode = mapper.status;
      }
    }
    const format = mapper?.format ?? this.#format;
    if (format === null) return;
    draft.body = format.text(entryOf(draft, headers, request, info));
    draft.contentType = format.contentType;
  }
}

function entryOf(
  draft: ReplyDraft,
  headers: ResponseHeaders,
  request: RequestHeaders,
  info: StreamInfo,
): AccessLogEntry {
  return {
    info,
    requestHeaders: request,
    responseHeaders: headers,
    responseTrailers: undefined,
    type: 'NotSet',
    localReplyBody: draft.body,
  };
}

function compileMapper(
  config: LocalReplyMapperConfig,
  environment: ReplyEnvironment,
  place: string,
): Mapper {
  return {
    filter: compileAccessLogFilter(config.filter, environment.filters),
    status: config.status,
    body: config.body && Buffer.from(config.body).toString('latin1'),
    headers:
      config.headersToAdd.length === 0
        ? null
        : new HeaderMutator(config.headersToAdd, [], `${place}.headers_to_add`, environment.routes),
    format: bodyFormat(config.bodyFormat, environment, `${place}.body_format_override`),
  };
}

const bodyFormat = (
  format: AccessLogFormat | undefined,
  environment: ReplyEnvironment,
  place: string,
): BodyFormat | null =>
  format === undefined ? null : new BodyFormat(format, environment.routes.format, place);
