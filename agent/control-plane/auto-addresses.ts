// [m] Addresses for hosts that have none, so that pods whose names are captured can tell their TCP connections apart: by a hash of the
// name, the same everywhere and after every restart. Istio: serviceregistry/serviceentry, autoAllocateIPs.
import type { Service } from './istio-model.ts';

export interface AutoAddress {
  /** Of 240.240.0.0/16. */
  readonly v4: string;
  /** Of 2001:2::/48. */
  readonly v6: string;
}

const SLOTS = 256 * 254;
/** The greatest prime below, for the step of the second hash. */
const PRIME = 65_011;
const OCTET = 255;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash;
}

/** For an original destination nobody could say which of its addresses was meant; a wildcard is no name to look up. */
const isWanting = ({ addresses, host, resolution, registry }: Service): boolean =>
  registry === 'External' &&
  addresses.length === 0 &&
  resolution !== 'NONE' &&
  !host.startsWith('*');

/** By host. What does not fit any more gets none. */
export function allocateAddresses(services: Iterable<Service>): ReadonlyMap<string, AutoAddress> {
  const slots = new Map<number, string>();
  for (const service of services) {
    if (!isWanting(service) || slots.size >= SLOTS) continue;
    const hash = fnv1a(`${service.meta.namespace}/${service.host}`);
    const step = PRIME - (hash % PRIME);
    let slot = hash % SLOTS;
    // In 32 bits, as istiod: a step can have a factor in common with the number of slots, and would meet but a few of them.
    for (let i = 1; slots.has(slot); i++) slot = ((hash + Math.imul(i, step)) >>> 0) % SLOTS;
    slots.set(slot, service.host);
  }
  const addresses = new Map<string, AutoAddress>();
  let skipped = 0;
  for (const [slot, host] of [...slots].sort(([a], [b]) => a - b)) {
    // No address ends in 0.
    if ((slot + 1 + skipped) % OCTET === 0) skipped++;
    const number = slot + 1 + skipped;
    const [third, fourth] = [Math.floor(number / OCTET), number % OCTET];
    addresses.set(host, {
      v4: `240.240.${third}.${fourth}`,
      v6: `2001:2::f0f0:${(third * 256 + fourth).toString(16)}`,
    });
  }
  return addresses;
}
