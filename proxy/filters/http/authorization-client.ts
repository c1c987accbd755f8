// [w] What external authorization asks for, and the answers it understands, whichever protocol carries them.
import type { RequestHeaders } from '../../http/header-map.ts';
import type { HeaderName } from '../../http/headers.ts';
import type { MetadataStruct } from '../../stream-info/dynamic-metadata.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';

export interface AuthorizationQuestion {
  /** Of the request that waits; not to be changed. */
  readonly headers: RequestHeaders;
  /** Null: bodies are not looked at. */
  readonly body: {
    readonly bytes: Buffer;
    readonly partial: boolean;
    readonly packAsBytes: boolean;
  } | null;
  readonly info: StreamInfo;
  /** Of the route, the most specific settings first. */
  readonly extensions: readonly ReadonlyMap<string, string>[];
}

export type HeaderLine = readonly [name: HeaderName, value: string];

export interface MoreChanges {
  /** Lines that join one of their name, where the request has one. */
  readonly join: readonly HeaderLine[];
  /** Decoded names and values. */
  readonly querySet: readonly (readonly [name: string, value: string])[];
  readonly queryRemove: readonly string[];
  /** Of the response, in place of its lines of that name; where it has none; where it has some. */
  readonly responseSet: readonly HeaderLine[];
  readonly responseIfAbsent: readonly HeaderLine[];
  readonly responseIfPresent: readonly HeaderLine[];
}

export type AuthorizationVerdict =
  | {
      readonly kind: 'ok';
      /** Changes of the request, done in this order. */
      readonly set: readonly HeaderLine[];
      readonly append: readonly HeaderLine[];
      readonly remove: readonly HeaderName[];
      /** Added to the response. */
      readonly response: readonly HeaderLine[];
      readonly metadata: MetadataStruct;
      /** What only gRPC services say; null: nothing. */
      readonly more: MoreChanges | null;
    }
  | {
      readonly kind: 'denied';
      readonly status: number;
      readonly headers: readonly HeaderLine[];
      readonly body: Buffer;
      readonly metadata: MetadataStruct;
    }
  /** Nobody decided. */
  | { readonly kind: 'error' };

export type Allowance = Extract<AuthorizationVerdict, { kind: 'ok' }>;

/** Told exactly once, possibly before check() returns, unless the check is cancelled. */
export interface AuthorizationOwner {
  onVerdict(verdict: AuthorizationVerdict): void;
}

export interface AuthorizationClient {
  check(question: AuthorizationQuestion, owner: AuthorizationOwner): AuthorizationCheck;
}

export interface AuthorizationCheck {
  cancel(): void;
}
