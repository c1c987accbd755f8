// [m] What a secret of SDS holds, before it becomes a message.

export type SecretMaterial =
  | {
      readonly kind: 'certificate';
      readonly chainPem: string;
      /** Secret: goes into messages to the proxy and nowhere else. */
      readonly keyPem: string;
    }
  | {
      readonly kind: 'roots';
      readonly rootPem: string;
      /** A file that the proxy reads; undefined: none. */
      readonly crlFile: string | undefined;
    };

export type MaterialResult =
  | { readonly ok: true; readonly material: SecretMaterial }
  | { readonly ok: false; readonly reason: string };

/** A certificate under watch for its end. */
export interface WatchedCertificate {
  /** As in the metric's label. */
  readonly name: string;
  readonly kind: 'certificate' | 'roots';
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}
