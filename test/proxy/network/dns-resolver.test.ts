// SystemDnsResolver: the hosts file, search domains, families, TTLs, what fails and what is merely empty, cancelling.
import t from 'tap';
import { realTime } from '../../../proxy/base/clock.ts';
import type { DnsLookupFamily, DnsResolverConfig } from '../../../proxy/config/cluster-config.ts';
import type { DnsAnswer, DnsQueryOptions } from '../../../proxy/network/dns-lookup.ts';
import { candidateNames } from '../../../proxy/network/dns-query.ts';
import { chooseFamily, SystemDnsResolver } from '../../../proxy/network/dns-resolver.ts';
import { parseHosts, parseSearchList } from '../../../proxy/network/dns-servers.ts';
import { DnsServer } from '../../support/dns-server.ts';

const resolve = (name: string, options: DnsQueryOptions): Promise<DnsAnswer> =>
  new Promise((done) => new SystemDnsResolver(realTime).resolve(name, options, done));

const settings = (changes: Partial<DnsResolverConfig> = {}): DnsResolverConfig => ({
  kind: 'cares',
  servers: [],
  serversAreFallback: false,
  searchDomains: false,
  timeoutMs: 0,
  tries: 0,
  rotate: false,
  ...changes,
});

t.test('SystemDnsResolver', (t) => {
  for (const kind of ['cares', 'getaddrinfo'] as const) {
    const resolver = settings({ kind });
    t.test(`${kind} knows names of the hosts file`, async (t) => {
      t.match(await resolve('localhost', { family: 'V4_ONLY', resolver }), {
        kind: 'resolved',
        addresses: ['127.0.0.1'],
      });
    });

    t.test(`${kind} does not call back after cancel`, async (t) => {
      const system = new SystemDnsResolver(realTime);
      let called = 0;
      const query = system.resolve('localhost', { family: 'ALL', resolver }, () => called++);
      query.cancel();
      await new Promise<void>((done) => {
        system.resolve('localhost', { family: 'V4_ONLY', resolver }, () => done());
      });
      t.equal(called, 0);
    });

    t.test(`${kind} works through many at once`, async (t) => {
      const system = new SystemDnsResolver(realTime);
      const options = { family: 'V4_PREFERRED', resolver } as const;
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => {
          return new Promise<DnsAnswer>((done) => {
            system.resolve('localhost', options, done);
          });
        }),
      );
      t.ok(answers.every((a) => a.kind === 'resolved' && a.addresses[0] === '127.0.0.1'));
    });
  }

  t.test('asks the servers it was given', async (t) => {
    const server = await DnsServer.listen();
    t.teardown(() => server.close());
    server.set('both.test', { addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'], ttlS: 7 });
    server.set('four.test', { addresses: ['10.0.0.1'], ttlS: 9 });
    server.set('none.test', { addresses: [] });
    server.set('broken.test', 'servfail');
    const resolver = settings({ servers: [`127.0.0.1:${server.port}`], timeoutMs: 1000, tries: 1 });
    const rows: readonly (readonly [string, DnsLookupFamily, string])[] = [
      ['both.test', 'AUTO', 'fd00::1 ttl 7000'],
      ['both.test', 'V4_PREFERRED', '10.0.0.1,10.0.0.2 ttl 7000'],
      ['both.test', 'V4_ONLY', '10.0.0.1,10.0.0.2 ttl 7000'],
      ['both.test', 'V6_ONLY', 'fd00::1 ttl 7000'],
      ['both.test', 'ALL', '10.0.0.1,10.0.0.2,fd00::1 ttl 7000'],
      ['four.test', 'AUTO', '10.0.0.1 ttl 9000'],
      ['FOUR.test.', 'AUTO', '10.0.0.1 ttl 9000'],
      ['four.test', 'V6_ONLY', ' ttl undefined'],
      ['none.test', 'ALL', ' ttl undefined'],
      ['nobody.test', 'AUTO', ' ttl undefined'],
      ['broken.test', 'AUTO', 'ESERVFAIL'],
      [`${'x'.repeat(64)}.test`, 'AUTO', 'EBADNAME'],
    ];
    for (const [name, family, expected] of rows) {
      const answer = await resolve(name, { family, resolver });
      const seen =
        answer.kind === 'failed' ? answer.reason : `${answer.addresses.join()} ttl ${answer.ttlMs}`;
      t.equal(seen, expected, `${name} ${family}`);
    }
  });

  t.test(
    'asks its own servers only when the system has no answer, where they are a fallback',
    async (t) => {
      const server = await DnsServer.listen();
      t.teardown(() => server.close());
      const resolver = settings({
        servers: [`127.0.0.1:${server.port}`],
        serversAreFallback: true,
      });
      t.match(await resolve('localhost', { family: 'V4_ONLY', resolver }), {
        addresses: ['127.0.0.1'],
      });
      t.same(server.asked, []);
    },
  );

  const both = [
    { address: '10.0.0.1', family: 4 },
    { address: 'fd00::1', family: 6 },
  ];
  const rows: readonly (readonly [DnsLookupFamily, readonly string[], readonly string[]])[] = [
    ['AUTO', ['fd00::1'], ['10.0.0.1']],
    ['V4_PREFERRED', ['10.0.0.1'], ['10.0.0.1']],
    ['V4_ONLY', ['10.0.0.1'], ['10.0.0.1']],
    ['V6_ONLY', ['fd00::1'], []],
    ['ALL', ['10.0.0.1', 'fd00::1'], ['10.0.0.1']],
  ];
  for (const [family, ofBoth, ofV4] of rows) {
    t.test(`chooses by family ${family}`, (t) => {
      t.same(chooseFamily(both, family), ofBoth);
      t.same(chooseFamily(both.slice(0, 1), family), ofV4);
      t.end();
    });
  }

  t.test('reads the hosts file', (t) => {
    const hosts = parseHosts(
      '# c\n127.0.0.1 localhost me\n::1 LOCALHOST\nnonsense x\n\n10.0.0.1\tA.test # b.test\n',
    );
    t.same(hosts.get('localhost'), { v4: ['127.0.0.1'], v6: ['::1'] });
    t.same(hosts.get('a.test'), { v4: ['10.0.0.1'], v6: [] });
    t.same([...hosts.keys()], ['localhost', 'me', 'a.test']);
    t.end();
  });

  t.test('tries a name with and without search domains', (t) => {
    const list = { domains: ['x', 'y'], ndots: 2 };
    t.same(candidateNames('a', list), ['a.x', 'a.y', 'a']);
    t.same(candidateNames('a.b', list), ['a.b.x', 'a.b.y', 'a.b']);
    t.same(candidateNames('a.b.c', list), ['a.b.c', 'a.b.c.x', 'a.b.c.y']);
    t.same(candidateNames('a.b.', list), ['a.b']);
    t.end();
  });

  t.test('reads the search list', (t) => {
    t.same(
      parseSearchList('nameserver 1.1.1.1\nsearch ns.svc.cluster.local . svc\noptions ndots:5\n'),
      { domains: ['ns.svc.cluster.local', 'svc'], ndots: 5 },
    );
    t.same(parseSearchList('search a b\ndomain c\noptions ndots:99 ndots:x'), {
      domains: ['c'],
      ndots: 15,
    });
    t.same(parseSearchList(''), { domains: [], ndots: 1 });
    t.end();
  });
  t.end();
});
