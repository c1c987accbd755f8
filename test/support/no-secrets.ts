// For tests of what may wait for secrets, and does not.
import type { SecretWaits } from '../../proxy/tls/secret-waits.ts';

export const NO_SECRETS: SecretWaits = {
  problem: () => undefined,
  retain() {},
  release() {},
  ready: () => true,
};
