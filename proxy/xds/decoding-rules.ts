// [m] What the operator says about configuration that this version does not know or does not enforce.

export interface DecodingRules {
  /** `refuse`: the resource is. `ignore`: nobody is told, of deprecated ones neither. */
  readonly unknownFields: 'tell' | 'refuse' | 'ignore';
  /** Extensions of unknown types are left out, as if they were optional; else a resource that has one is refused. */
  readonly skipUnknownExtensions: boolean;
  /** What filters guard that are not enforced is let through; else it is refused. */
  readonly passUnenforced: boolean;
  /** Deprecated fields are not written to the log. */
  readonly silentDeprecated: boolean;
}

export const STRICT_RULES: DecodingRules = {
  unknownFields: 'tell',
  skipUnknownExtensions: false,
  passUnenforced: false,
  silentDeprecated: false,
};
