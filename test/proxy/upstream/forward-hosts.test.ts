// ForwardHosts: a host is asked for once, whoever wants it waits, within a limit; use is reported now and then.
import t from 'tap';
import type { DnsCacheConfig, ForwardHostConfig } from '../../../proxy/config/dns-cache-config.ts';
import { ForwardHosts } from '../../../proxy/upstream/forward-hosts.ts';
import type { LoadBalancerContext } from '../../../proxy/upstream/load-balancer.ts';
import { ForwardProxyBalancer, withPort } from '../../../proxy/upstream/forward-proxy-balancer.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const config: DnsCacheConfig = {
  name: 'c',
  dns: { lookupFamily: 'AUTO', refreshRateMs: 60_000, respectTtl: true },
  hostTtlMs: 100_000,
  maxHosts: 10,
  maxPending: 2,
  queryTimeoutMs: 5000,
  forgetFailures: false,
  preresolve: [],
};
const known = (host: string, changes: Partial<ForwardHostConfig> = {}): ForwardHostConfig => ({
  host,
  port: 80,
  addresses: ['10.0.0.1'],
  failure: '',
  overflow: false,
  ...changes,
});

function setUp() {
  const time = new SimulatedTime();
  const asked: string[] = [];
  const used: string[] = [];
  const hosts = new ForwardHosts(time, {
    askForHost: (_cache, host) => asked.push(host),
    reportUse: (_cache, host) => used.push(host),
  });
  const heard: string[] = [];
  const waiter = (name: string) => ({
    onForwardHost: ({ host }: ForwardHostConfig) => void heard.push(`${name} ${host}`),
  });
  return { time, asked, used, hosts, heard, waiter };
}

t.test('ForwardHosts', (t) => {
  t.test('asks once, and tells all who wait', (t) => {
    const { hosts, asked, heard, waiter } = setUp();
    t.equal(hosts.resolve(config, 'a:80', waiter('one')), null);
    t.equal(hosts.resolve(config, 'a:80', waiter('two')), null);
    t.equal(hosts.resolve(config, 'b:80', waiter('three')), undefined, 'too many wait');
    t.same(asked, ['a:80']);
    hosts.update('c', [known('a:80')], []);
    t.same(heard, ['one a:80', 'two a:80']);
    t.match(hosts.resolve(config, 'a:80', waiter('four')), { addresses: ['10.0.0.1'] });
    t.equal(hosts.resolve(config, 'b:80', waiter('five')), null, 'there is room again');
    t.end();
  });

  t.test('forgets who gave up, hosts that are gone, and what is no host of the cache', (t) => {
    const { hosts, heard, waiter } = setUp();
    const one = waiter('one');
    hosts.resolve(config, 'a:80', one);
    hosts.cancel('c', 'a:80', one);
    hosts.update('c', [known('a:80')], []);
    t.same(heard, []);
    hosts.update('c', [], ['a:80']);
    t.equal(hosts.known(config, 'a:80'), undefined);
    hosts.resolve(config, 'b:80', one);
    hosts.update('c', [known('b:80', { overflow: true })], []);
    t.same(heard, ['one b:80']);
    t.equal(hosts.known(config, 'b:80'), undefined);
    t.end();
  });

  t.test('reports use a few times in the time to live', (t) => {
    const { hosts, time, used } = setUp();
    hosts.update('c', [known('a:80')], []);
    for (let i = 0; i < 100; i++) {
      time.advance(1000);
      hosts.known(config, 'a:80');
    }
    t.equal(used.length, 3);
    t.end();
  });

  t.test('what is forgotten is no host of the balancer for long', (t) => {
    const { hosts } = setUp();
    let replaced = 0;
    const owner = { onHostAdded: () => {}, onHostReplaced: () => void replaced++ };
    const balancer = new ForwardProxyBalancer(config, hosts, owner, 80);
    let most = 0;
    for (let i = 0; i < 10_000; i++) {
      const host = `n${i}.test:80`;
      hosts.update('c', [known(host)], i < 10 ? [] : [`n${i - 10}.test:80`]);
      t.ok(balancer.chooseHost({ forwardTo: host } as LoadBalancerContext));
      most = Math.max(most, [...balancer.hosts()].length);
    }
    t.ok(most < 200, `${most} hosts at a time`);
    t.ok(replaced > 9800, 'their pools drain');
    t.end();
  });

  t.test('who is gone is not told, not even by one who heard before', (t) => {
    const { hosts, heard, waiter } = setUp();
    const second = waiter('second');
    const first = { onForwardHost: () => hosts.cancel('c', 'a:80', second) };
    hosts.resolve(config, 'a:80', first);
    hosts.resolve(config, 'a:80', second);
    hosts.update('c', [known('a:80')], []);
    t.same(heard, []);
    t.equal(hosts.resolve(config, 'b:80', second), null);
    t.equal(hosts.resolve(config, 'b:80', waiter('third')), null);
    t.equal(hosts.resolve(config, 'b:80', waiter('fourth')), undefined, 'two wait, not more');
    t.end();
  });

  const names: readonly (readonly [authority: string, expected: string | null])[] = [
    ['a.test', 'a.test:80'],
    ['a.test:8080', 'a.test:8080'],
    ['[::1]', '[::1]:80'],
    ['[::1]:90', '[::1]:90'],
    ['', null],
    [':80', null],
    ['a.test:', null],
    ['a.test:x', null],
    ['a.test:99999', null],
    ['a'.repeat(300), null],
  ];
  for (const [authority, expected] of names) {
    t.test(`the host of '${authority.slice(0, 20)}'`, (t) => {
      t.equal(withPort(authority, 80), expected);
      t.end();
    });
  }
  t.end();
});
