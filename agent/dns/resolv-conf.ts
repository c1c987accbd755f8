// [m] /etc/resolv.conf: name servers and search domains (resolv.conf(5)).

import { ipFamily } from '../../proxy/base/ip-text.ts';

export interface ResolvConf {
  readonly servers: readonly string[];
  /** Without dots at their ends. */
  readonly search: readonly string[];
}

const MAX_SERVERS = 8;

export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.split(/[ \t\r]+/).filter((part) => part !== '');
    if (word === 'nameserver') {
      const address = (rest[0] ?? '').split('%', 1)[0]!;
      if (ipFamily(address) !== 0 && servers.length < MAX_SERVERS) servers.push(address);
    } else if (word === 'search' || word === 'domain') {
      // The last line of its kind counts.
      search = rest.map((domain) => domain.replace(/^\.+|\.+$/g, '')).filter((name) => name !== '');
    }
  }
  return { servers, search };
}
