// FilterChainMatcher: one entry per level, never back (envoy-behaviour §8.3).
import t from 'tap';

import type { FilterChainMatchConfig } from '../../../proxy/config/listener-config.ts';
import { FilterChainMatcher } from '../../../proxy/listener-manager/filter-chain-matcher.ts';
import type { ConnectionFacts } from '../../../proxy/listener-manager/filter-chain-matcher.ts';

const any: FilterChainMatchConfig = {
  destinationPort: undefined,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

interface Chain {
  readonly name: string;
  readonly match: FilterChainMatchConfig;
}

const chain = (name: string, match: Partial<FilterChainMatchConfig> = {}): Chain => ({
  name,
  match: { ...any, ...match },
});
const range = (address: string, prefixLength: number) => [{ address, prefixLength }];

const facts: ConnectionFacts = {
  localIp: '10.0.0.1',
  localPort: 80,
  remoteIp: '10.0.0.9',
  remotePort: 5000,
  directRemoteIp: '10.0.0.9',
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
};

const istio = [
  chain('mtls', {
    transportProtocol: 'tls',
    applicationProtocols: ['istio', 'istio-peer-exchange'],
  }),
  chain('tls', { transportProtocol: 'tls' }),
  chain('http', { transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.1', 'h2c'] }),
  chain('plain', { transportProtocol: 'raw_buffer' }),
];

const names = [
  chain('exact', { serverNames: ['a.example.com'] }),
  chain('wild', { serverNames: ['*.example.com'] }),
  chain('wilder', { serverNames: ['*.com'] }),
  chain('none'),
];

const rows: readonly (readonly [string, readonly Chain[], Partial<ConnectionFacts>, string])[] = [
  ['mTLS', istio, { transportProtocol: 'tls', applicationProtocols: ['h2', 'istio'] }, 'mtls'],
  [
    'TLS of somebody else',
    istio,
    { transportProtocol: 'tls', applicationProtocols: ['h2'] },
    'tls',
  ],
  ['TLS without ALPN', istio, { transportProtocol: 'tls' }, 'tls'],
  ['HTTP', istio, { applicationProtocols: ['http/1.1'] }, 'http'],
  ['TCP', istio, {}, 'plain'],
  [
    'the client chooses among ALPNs',
    [chain('a', { applicationProtocols: ['x'] }), chain('b', { applicationProtocols: ['y'] })],
    { applicationProtocols: ['y', 'x'] },
    'b',
  ],
  ['a port', [chain('80', { destinationPort: 80 }), chain('any')], {}, '80'],
  ['another port', [chain('80', { destinationPort: 80 }), chain('any')], { localPort: 81 }, 'any'],
  [
    'a port that leads nowhere is the default’s',
    [chain('80', { destinationPort: 80, transportProtocol: 'tls' }), chain('any')],
    {},
    'default',
  ],
  [
    'the longest destination',
    [
      chain('8', { prefixRanges: range('10.0.0.0', 8) }),
      chain('24', { prefixRanges: range('10.0.0.0', 24) }),
      chain('any'),
    ],
    {},
    '24',
  ],
  [
    'a longer destination that leads nowhere',
    [chain('24', { prefixRanges: range('10.0.0.0', 24), transportProtocol: 'tls' }), chain('any')],
    {},
    'default',
  ],
  ['no destination', [chain('8', { prefixRanges: range('11.0.0.0', 8) }), chain('any')], {}, 'any'],
  [
    'IPv6 never in IPv4',
    [chain('0', { prefixRanges: range('0.0.0.0', 0) }), chain('any')],
    { localIp: 'fd00::1' },
    'any',
  ],
  [
    'IPv6',
    [chain('v6', { prefixRanges: range('fd00::', 8) }), chain('any')],
    { localIp: 'fd00::1' },
    'v6',
  ],
  ['an exact name', names, { serverName: 'a.example.com' }, 'exact'],
  ['a wildcard', names, { serverName: 'b.example.com' }, 'wild'],
  ['several labels under a wildcard', names, { serverName: 'c.b.example.com' }, 'wild'],
  ['the wider wildcard', names, { serverName: 'example.com' }, 'wilder'],
  ['an unknown name', names, { serverName: 'example.org' }, 'none'],
  ['no name', names, {}, 'none'],
  ['a name that is a prototype key', names, { serverName: '__proto__' }, 'none'],
  ['a source', [chain('s', { sourcePrefixRanges: range('10.0.0.9', 32) }), chain('any')], {}, 's'],
  [
    'a direct source',
    [chain('s', { directSourcePrefixRanges: range('10.0.0.0', 30) }), chain('any')],
    {},
    'any',
  ],
  ['a source port', [chain('p', { sourcePorts: [1, 5000] }), chain('any')], {}, 'p'],
  [
    'loopback',
    [chain('l', { sourceType: 'SAME_IP_OR_LOOPBACK' }), chain('e', { sourceType: 'EXTERNAL' })],
    { remoteIp: '127.0.0.1' },
    'l',
  ],
  [
    'the same address',
    [chain('l', { sourceType: 'SAME_IP_OR_LOOPBACK' }), chain('e', { sourceType: 'EXTERNAL' })],
    { remoteIp: '10.0.0.1' },
    'l',
  ],
  [
    'elsewhere',
    [chain('l', { sourceType: 'SAME_IP_OR_LOOPBACK' }), chain('e', { sourceType: 'EXTERNAL' })],
    {},
    'e',
  ],
  [
    'an address that is none',
    [chain('24', { prefixRanges: range('10.0.0.0', 24) }), chain('any')],
    { localIp: '' },
    'any',
  ],
  ['no chains', [], {}, 'default'],
];

t.test('FilterChainMatcher', (t) => {
  const byDefault = chain('default');
  for (const [name, chains, changes, expected] of rows) {
    t.test(name, (t) => {
      const found = new FilterChainMatcher(chains, byDefault).find({ ...facts, ...changes });
      t.equal(found?.name, expected);
      if (expected === 'default')
        t.equal(new FilterChainMatcher(chains, null).find({ ...facts, ...changes }), null);
      t.end();
    });
  }
  t.end();
});
