// Checks of single option values: ports, CIDRs, ids, interfaces. Each returns the value in the form iptables gets, or a reason. [m]
import { isIPv4, isIPv6 } from 'node:net';

/** A value is a string; a reason says what is wrong with `text`, in words that follow the flag's name. */
export type Checked = { readonly value: string } | { readonly reason: string };

export function checkPort(text: string): Checked {
  const port = wholeNumber(text, 65535);
  if (port === undefined || port === '0') return { reason: `"${text}" is no port (1 to 65535)` };
  return { value: port };
}

/** CIDR of either family; the mask is required, as with Istio. */
export function checkCidr(text: string): Checked {
  const [address = '', mask = '', ...rest] = text.split('/');
  const widest = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined;
  if (widest === undefined || rest.length > 0) {
    return { reason: `"${text}" is no CIDR (write 10.0.0.0/8 or 2001:db8::/32)` };
  }
  if (mask === '') return { reason: `"${text}" has no mask (write ${address}/${widest})` };
  const bits = wholeNumber(mask, widest);
  if (bits === undefined) return { reason: `"${text}": the mask is 0 to ${widest}` };
  return { value: `${address.toLowerCase()}/${bits}` };
}

export function checkCidrIPv4(text: string): Checked {
  const checked = checkCidr(text);
  if ('value' in checked && !isIPv4(addressOf(checked.value))) {
    return { reason: `"${text}" is no IPv4 CIDR (write 127.0.0.1/32)` };
  }
  return checked;
}

/** Numeric user or group id; the largest 32-bit number means "no id" to the kernel. */
export function checkId(text: string): Checked {
  const id = wholeNumber(text, 4294967294);
  return id === undefined
    ? { reason: `"${text}" is no numeric id (0 to 4294967294)` }
    : { value: id };
}

/** Group by name or number. */
export function checkGroup(text: string): Checked {
  if (/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(text)) return { value: text };
  const id = checkId(text);
  return 'value' in id ? id : { reason: `"${text}" is neither a group name nor a numeric id` };
}

/** Interface name of Linux, at most 15 bytes; a `+` at the end is iptables' wildcard. */
export function checkInterface(text: string): Checked {
  if (/^[A-Za-z0-9_.@:][A-Za-z0-9_.@:-]{0,14}\+?$/.test(text) && text.length <= 15)
    return { value: text };
  return { reason: `"${text}" is no interface name (1 to 15 characters)` };
}

export function checkBoolean(text: string): Checked {
  if (/^(?:1|t|true)$/i.test(text)) return { value: 'true' };
  if (/^(?:0|f|false)$/i.test(text)) return { value: 'false' };
  return { reason: `"${text}" is neither true nor false` };
}

const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Duration as Go writes it: 5s, 1m30s, 500ms. The value is in milliseconds, at most an hour. */
export function checkDurationMs(text: string): Checked {
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+$/.test(text))
    return { reason: `"${text}" is no duration (write 5s or 1m30s)` };
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)([^\d.]+)/g))
    ms += Number(number) * (unitsMs[unit ?? ''] ?? 0);
  return ms <= 3_600_000
    ? { value: String(Math.ceil(ms)) }
    : { reason: `"${text}" is more than an hour` };
}

/** A file's name: no control characters, from the root. */
export function checkPath(text: string): Checked {
  if (/^\/[^\p{Cc}]{1,4095}$/u.test(text)) return { value: text };
  return { reason: `"${text}" is no absolute path (write /run/netns/NAME or /proc/PID/ns/net)` };
}

/** Name servers of a resolv.conf, each as the CIDR of one address; a zone (`%eth0`) is let go. */
export function resolversOf(text: string): readonly string[] {
  const servers = new Set<string>();
  for (const line of text.split('\n')) {
    const address = /^nameserver[ \t]+([^ \t#;%]+)/.exec(line)?.[1]?.toLowerCase() ?? '';
    if (isIPv4(address)) servers.add(`${address}/32`);
    else if (isIPv6(address)) servers.add(`${address}/128`);
  }
  return [...servers];
}

export function checkUint32(text: string): Checked {
  const number = wholeNumber(text, 4294967295);
  return number === undefined
    ? { reason: `"${text}" is no number from 0 to 4294967295` }
    : { value: number };
}

export function addressOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf('/'));
}

/** Whether the CIDR's own address is a loopback address, which is how Istio decides that loopback is captured. */
export function isLoopbackCidr(cidr: string): boolean {
  const address = addressOf(cidr);
  return isIPv4(address) ? address.startsWith('127.') : /^(?:0*:)*:?0*1$/.test(address);
}

/** Decimal digits only; leading zeros go, so that every port has one spelling. */
function wholeNumber(text: string, max: number): string | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= max ? String(number) : undefined;
}
