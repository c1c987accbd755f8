// [w] GrpcAuthorizationClient: asks an authorization service over gRPC (envoy.service.auth.v3.Authorization). An answer
// that is none, or cannot be read, is an error.
import type { GrpcAuthorizationConfig } from '../../config/ext-authz-config.ts';
import { GrpcClient } from '../../router/grpc-call.ts';
import type { GrpcCallOwner } from '../../router/grpc-call.ts';
import { StringMatcher } from '../../router/string-matcher.ts';
import type { FilterFactoryContext } from '../factory-context.ts';
import { httpCallContext } from '../http-call-context.ts';
import type {
  AuthorizationCheck,
  AuthorizationClient,
  AuthorizationOwner,
  AuthorizationQuestion,
  AuthorizationVerdict,
} from './authorization-client.ts';
import { checkVerdict } from './check-answer.ts';
import { checkRequest } from './check-request.ts';

const PATH = '/envoy.service.auth.v3.Authorization/Check';
const ERROR: AuthorizationVerdict = { kind: 'error' };

export class GrpcAuthorizationClient implements AuthorizationClient {
  readonly #client: GrpcClient;
  readonly #allowed: readonly StringMatcher[];
  readonly #disallowed: readonly StringMatcher[];
  readonly #namespaces: readonly string[];

  constructor(config: GrpcAuthorizationConfig, context: FilterFactoryContext) {
    this.#client = new GrpcClient(config.grpc, httpCallContext(context), context.routeEnvironment);
    this.#allowed = config.allowedHeaders.map(
      (matcher, i) => new StringMatcher(matcher, `allowed_headers[${i}]`),
    );
    this.#disallowed = config.disallowedHeaders.map(
      (matcher, i) => new StringMatcher(matcher, `disallowed_headers[${i}]`),
    );
    this.#namespaces = config.metadataNamespaces;
  }

  check(question: AuthorizationQuestion, owner: AuthorizationOwner): AuthorizationCheck {
    const message = checkRequest(question, this.#tells, this.#namespaces);
    return this.#client.call(PATH, message, question, new VerdictReader(owner));
  }

  readonly #tells = (name: string): boolean =>
    (this.#allowed.length === 0 || this.#allowed.some((matcher) => matcher.matches(name))) &&
    !this.#disallowed.some((matcher) => matcher.matches(name));
}

class VerdictReader implements GrpcCallOwner {
  readonly #owner: AuthorizationOwner;

  constructor(owner: AuthorizationOwner) {
    this.#owner = owner;
  }

  onGrpcMessage(message: Buffer): void {
    this.#owner.onVerdict(checkVerdict(message) ?? ERROR);
  }

  onGrpcFailure(): void {
    this.#owner.onVerdict(ERROR);
  }
}
