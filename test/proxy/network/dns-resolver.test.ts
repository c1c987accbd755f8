// SystemDnsResolver: names of the hosts file, families, cancelling.
import t from 'tap';
import { chooseFamily, SystemDnsResolver } from '../../../proxy/network/dns-resolver.ts';
import type { DnsAnswer, DnsLookupFamily } from '../../../proxy/network/dns-resolver.ts';

const resolve = (name: string, family: DnsLookupFamily): Promise<DnsAnswer> =>
  new Promise((done) => new SystemDnsResolver().resolve(name, { family, wantTtl: false }, done));

t.test('SystemDnsResolver', (t) => {
  t.test('knows names of the hosts file', async (t) => {
    t.match(await resolve('localhost', 'V4_ONLY'), { kind: 'resolved', addresses: ['127.0.0.1'] });
  });

  t.test('does not call back after cancel', async (t) => {
    const resolver = new SystemDnsResolver();
    let called = 0;
    const query = resolver.resolve('localhost', { family: 'ALL', wantTtl: false }, () => called++);
    query.cancel();
    await new Promise<void>((done) => {
      resolver.resolve('localhost', { family: 'V4_ONLY', wantTtl: false }, () => done());
    });
    t.equal(called, 0);
  });

  t.test('works through a queue', async (t) => {
    const resolver = new SystemDnsResolver();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => {
        return new Promise<DnsAnswer>((done) => {
          resolver.resolve('localhost', { family: 'V4_PREFERRED', wantTtl: false }, done);
        });
      }),
    );
    t.ok(
      answers.every((answer) => answer.kind === 'resolved' && answer.addresses[0] === '127.0.0.1'),
    );
  });

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
  t.end();
});
