// [m] One spelling for a CIDR range, so that 10.0.0.1/8 and 10.9.9.9/8 are seen to be the same.

/** `address` is known to be valid. The masked address in hex, with its prefix length. */
export function maskedPrefix(address: string, prefixLength: number, v6: boolean): string {
  const bits = v6 ? 128n : 32n;
  const value = v6 ? ipv6Value(address) : ipv4Value(address);
  const drop = bits - BigInt(prefixLength);
  return `${v6 ? '6' : '4'}:${((value >> drop) << drop).toString(16)}/${prefixLength}`;
}

function ipv4Value(address: string): bigint {
  let value = 0n;
  for (const octet of address.split('.')) value = (value << 8n) | BigInt(octet);
  return value;
}

function ipv6Value(address: string): bigint {
  const [head = '', tail] = withoutZone(address).split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => 0n);
  let value = 0n;
  for (const group of [...front, ...zeros, ...back]) value = (value << 16n) | group;
  return value;
}

const withoutZone = (address: string): string => address.split('%')[0]!;

function groups(part: string): readonly bigint[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const embedded = ipv4Value(group);
    return [embedded >> 16n, embedded & 0xffffn];
  });
}
