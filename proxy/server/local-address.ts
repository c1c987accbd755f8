// [m] The address this host is known by: the first that is not loopback, of the family that was asked for.
import { os } from '../base/node-builtins.ts';

export function localAddress(version: 'v4' | 'v6'): string {
  const family = version === 'v4' ? 'IPv4' : 'IPv6';
  for (const addresses of Object.values(os().networkInterfaces())) {
    const found = addresses?.find(
      (a) => !a.internal && a.family === family && !a.address.startsWith('fe80:'),
    );
    if (found !== undefined) return found.address;
  }
  return version === 'v4' ? '127.0.0.1' : '::1';
}
