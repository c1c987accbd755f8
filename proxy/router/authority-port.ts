// [b] Where the port begins in an authority, as Envoy sees it: behind the last colon, digits or not.

/** Index of the colon, or -1. A colon within `[v6]` is none. */
export function portStart(authority: string): number {
  const colon = authority.lastIndexOf(':');
  return colon >= 0 && authority.lastIndexOf(']') < colon ? colon : -1;
}
