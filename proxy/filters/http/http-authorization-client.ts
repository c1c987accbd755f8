// [w] HttpAuthorizationClient: asks an authorization server over HTTP: 200 is yes, 5xx and no answer are errors, the
// rest is no (envoy-behaviour §10.3).
import type { HttpAuthorizationConfig } from '../../config/ext-authz-config.ts';
import type { StringMatchConfig } from '../../config/matcher-config.ts';
import { H, headerName, wireHeaderName } from '../../http/headers.ts';
import type { HeaderName } from '../../http/headers.ts';
import { RequestHeaders } from '../../http/header-map.ts';
import type { ResponseHeaders } from '../../http/header-map.ts';
import { HeaderOperations } from '../../router/header-operations.ts';
import { HttpCallClient } from '../../router/http-call.ts';
import type { HttpCallOwner } from '../../router/http-call.ts';
import type { RouteEnvironment } from '../../router/route-environment.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { MetadataValue } from '../../stream-info/dynamic-metadata.ts';
import { httpCallContext } from '../http-call-context.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import type {
  AuthorizationCheck,
  AuthorizationClient,
  AuthorizationOwner,
  AuthorizationQuestion,
  AuthorizationVerdict,
  HeaderLine,
} from './authorization-client.ts';

const PARTIAL_BODY = headerName('x-envoy-auth-partial-body');
const HEADERS_TO_REMOVE = headerName('x-envoy-auth-headers-to-remove');
/** Pass to the client whatever the list of allowed headers says. */
const ALWAYS_TO_CLIENT: ReadonlySet<string> = new Set([
  'content-length',
  'www-authenticate',
  'location',
]);
/** Of the answer itself: in the request they would tell lies about its body. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);
const MAX_REMOVALS = 1000;

const EMPTY = Buffer.alloc(0);
const ERROR: AuthorizationVerdict = { kind: 'error' };

class NameMatchers {
  readonly #matchers: readonly StringMatcher[];

  constructor(configs: readonly StringMatchConfig[], field: string) {
    this.#matchers = configs.map((config, i) => new StringMatcher(config, `${field}[${i}]`));
  }

  get empty(): boolean {
    return this.#matchers.length === 0;
  }

  matches(name: string): boolean {
    return this.#matchers.some((matcher) => matcher.matches(name));
  }
}

/** Throws ConfigError for a bad %COMMAND%. */
export const headersToAdd = (
  config: HttpAuthorizationConfig,
  environment: RouteEnvironment,
): HeaderOperations =>
  new HeaderOperations(
    config.headersToAdd.map((add) => ({ kind: 'append', add })),
    'headers_to_add',
    environment,
  );

export class HttpAuthorizationClient implements AuthorizationClient {
  readonly #config: HttpAuthorizationConfig;
  readonly #context: FilterFactoryContext;
  readonly #calls: HttpCallClient;
  readonly #headersToAdd: HeaderOperations;
  readonly #allowed: NameMatchers;
  readonly #disallowed: NameMatchers;
  readonly answers: AnswerRules;

  constructor(config: HttpAuthorizationConfig, context: FilterFactoryContext) {
    this.#config = config;
    this.#context = context;
    this.#calls = new HttpCallClient(httpCallContext(context), config);
    this.#headersToAdd = headersToAdd(config, context.routeEnvironment);
    this.#allowed = new NameMatchers(config.allowedHeaders, 'allowed_headers');
    this.#disallowed = new NameMatchers(config.disallowedHeaders, 'disallowed_headers');
    this.answers = new AnswerRules(config);
  }

  check(question: AuthorizationQuestion, owner: AuthorizationOwner): AuthorizationCheck {
    const check = new HttpAuthorizationCheck(this.answers, owner);
    // A CONNECT has no path to ask with, and would open a tunnel to the server.
    const askable = question.headers.method !== 'CONNECT';
    if (!askable || this.#context.clusters.get(this.#config.cluster) === undefined) {
      owner.onVerdict(ERROR);
      return check;
    }
    const headers = this.#requestHeaders(question);
    const body = question.body === null ? EMPTY : question.body.bytes;
    check.call = this.#calls.send({ headers, body, parent: question.info }, check);
    return check;
  }

  /** Method, host, path and authorization always go, unless they are disallowed; lines of one name are joined. */
  #requestHeaders({ headers: from, body, info }: AuthorizationQuestion): RequestHeaders {
    const to = new RequestHeaders();
    const { pathPrefix, pathOverride } = this.#config;
    to.method = from.method;
    to.path = pathOverride === '' ? pathPrefix + from.path : pathOverride;
    to.authority = from.authority;
    to.push(H.contentLength, String(body === null ? 0 : body.bytes.length));
    for (let i = 0; i < from.size; i++) {
      const name = from.nameAt(i);
      if (name === H.contentLength || name.text === PARTIAL_BODY.text) continue;
      if (name !== H.authorization && !this.#allowed.matches(name.text)) continue;
      if (this.#disallowed.matches(name.text)) continue;
      const present = to.get(name);
      to.set(name, present === undefined ? from.valueAt(i) : `${present},${from.valueAt(i)}`);
    }
    if (body !== null && body.bytes.length > 0)
      to.set(PARTIAL_BODY, body.partial ? 'true' : 'false');
    this.#headersToAdd.apply(to, { request: from, response: null, info });
    return to;
  }
}

class HttpAuthorizationCheck implements AuthorizationCheck, HttpCallOwner {
  readonly #answers: AnswerRules;
  readonly #owner: AuthorizationOwner;
  call: AuthorizationCheck | null = null;

  constructor(answers: AnswerRules, owner: AuthorizationOwner) {
    this.#answers = answers;
    this.#owner = owner;
  }

  cancel(): void {
    this.call?.cancel();
  }

  onHttpResponse(headers: ResponseHeaders, body: Buffer): void {
    this.#owner.onVerdict(this.#answers.verdict(headers, body));
  }

  onHttpFailure(): void {
    this.#owner.onVerdict(ERROR);
  }
}

/** What of an answer goes where. */
class AnswerRules {
  readonly #upstream: NameMatchers;
  readonly #upstreamToAppend: NameMatchers;
  readonly #client: NameMatchers;
  readonly #clientOnSuccess: NameMatchers;
  readonly #metadata: NameMatchers;

  constructor(config: HttpAuthorizationConfig) {
    this.#upstream = new NameMatchers(config.upstreamHeaders, 'allowed_upstream_headers');
    this.#upstreamToAppend = new NameMatchers(
      config.upstreamHeadersToAppend,
      'allowed_upstream_headers_to_append',
    );
    this.#client = new NameMatchers(config.clientHeaders, 'allowed_client_headers');
    this.#clientOnSuccess = new NameMatchers(
      config.clientHeadersOnSuccess,
      'allowed_client_headers_on_success',
    );
    this.#metadata = new NameMatchers(config.metadataHeaders, 'dynamic_metadata_from_headers');
  }

  verdict(headers: ResponseHeaders, body: Buffer): AuthorizationVerdict {
    const { status } = headers;
    // 101 and the like are no answer to this question.
    if (status >= 500 || status < 200) return ERROR;
    const remove = removals(headers);
    headers.remove(HEADERS_TO_REMOVE);
    if (status !== 200)
      return {
        kind: 'denied',
        status,
        headers: this.#lines(headers, this.#toClient),
        body,
        metadata: new Map(),
      };
    const metadata = new Map<string, MetadataValue>();
    for (const [name, value] of this.#lines(headers, (text) => this.#metadata.matches(text)))
      metadata.set(name.text, value);
    return {
      kind: 'ok',
      set: this.#lines(headers, (text) => this.#upstream.matches(text) && !FRAMING.has(text)),
      append: this.#lines(
        headers,
        (text) => this.#upstreamToAppend.matches(text) && !FRAMING.has(text),
      ),
      remove,
      response: this.#lines(headers, (text) => this.#clientOnSuccess.matches(text)),
      metadata,
      more: null,
    };
  }

  readonly #toClient = (name: string): boolean =>
    this.#client.empty ? name !== 'host' : ALWAYS_TO_CLIENT.has(name) || this.#client.matches(name);

  #lines(headers: ResponseHeaders, wanted: (name: string) => boolean): readonly HeaderLine[] {
    const lines: HeaderLine[] = [];
    for (let i = 0; i < headers.size; i++) {
      const name = headers.nameAt(i);
      if (wanted(name.text)) lines.push([name, headers.valueAt(i)]);
    }
    return lines;
  }
}

/** Names the server wants gone from the request, lower case. */
function removals(headers: ResponseHeaders): readonly HeaderName[] {
  const names: HeaderName[] = [];
  for (const value of headers.getAll(HEADERS_TO_REMOVE)) {
    for (const part of value.split(',')) {
      const name = part.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase();
      if (name !== '' && names.length < MAX_REMOVALS) names.push(wireHeaderName(name));
    }
  }
  return names;
}
