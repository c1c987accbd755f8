// Where the DNS proxy listens and whom it asks, out of environment and resolv.conf.
import t from 'tap';
import { readDns } from '../../../agent/dns/dns-options.ts';
import type { DnsOptions } from '../../../agent/dns/dns-options.ts';
import { parseResolvConf } from '../../../agent/dns/resolv-conf.ts';
import { VariableReader } from '../../../agent/variable-reader.ts';

const POD = { namespace: 'ns', domain: 'ns.svc.cluster.local' };
const RESOLV_CONF = `# made by the kubelet
nameserver 10.96.0.10
search ns.svc.cluster.local svc.cluster.local
options ndots:5
`;

function read(
  variables: Record<string, string>,
  files: Record<string, string> = { '/etc/resolv.conf': RESOLV_CONF },
): { dns: DnsOptions | undefined; problems: string[] } {
  const problems: string[] = [];
  const reader = new VariableReader(new Map(Object.entries(variables)), problems);
  return { dns: readDns(reader, POD, (path) => files[path]), problems };
}

t.test('readDns', (t) => {
  t.equal(read({}).dns, undefined, 'not asked for');
  t.equal(
    read({ ISTIO_META_DNS_CAPTURE: 'true', ISTIO_META_ENABLE_DNS_SERVER: 'false' }).dns,
    undefined,
  );
  t.strictSame(read({ ISTIO_META_DNS_CAPTURE: 'true' }).dns, {
    addresses: ['127.0.0.1'],
    port: 15053,
    servers: [{ address: '10.96.0.10', port: 53 }],
    parallel: false,
    timeoutMs: 5000,
    answersEarly: false,
    place: { namespace: 'ns', domain: 'svc.cluster.local', searchDomain: 'ns.svc.cluster.local' },
  });
  const both = read(
    { ISTIO_META_DNS_CAPTURE: 'true', DNS_FORWARD_PARALLEL: 'true', DNS_FORWARD_TIMEOUT: '1s' },
    { '/etc/resolv.conf': 'nameserver fd00::a\nnameserver 10.0.0.1\n' },
  ).dns;
  t.match(both, { addresses: ['127.0.0.1', '::1'], parallel: true, timeoutMs: 1000 });
  const v6 = read({ ISTIO_META_DNS_CAPTURE: 'true' }, { '/etc/resolv.conf': 'nameserver fd00::a' });
  t.strictSame(v6.dns?.addresses, ['::1']);
  const machine = read(
    { ISTIO_META_DNS_CAPTURE: 'true', DNS_PROXY_ADDR: '0.0.0.0:53' },
    {
      '/etc/resolv.conf': 'nameserver 127.0.0.1',
      '/var/lib/istio/resolv.conf': 'nameserver 8.8.8.8',
    },
  ).dns;
  t.match(machine, {
    addresses: ['0.0.0.0'],
    port: 53,
    answersEarly: true,
    servers: [{ address: '8.8.8.8' }],
  });
  const alone = read(
    { ISTIO_META_DNS_CAPTURE: 'true', DNS_PROXY_ADDR: 'localhost:53' },
    { '/etc/resolv.conf': 'nameserver 127.0.0.1\nnameserver 127.0.0.53\n' },
  ).dns;
  t.strictSame(alone?.servers, [{ address: '127.0.0.53', port: 53 }], 'never itself');
  t.match(read({ ISTIO_META_DNS_CAPTURE: 'true', DNS_PROXY_ADDR: 'x' }).problems, [
    /DNS_PROXY_ADDR/,
  ]);
  t.end();
});

t.test('parseResolvConf', (t) => {
  const text =
    'nameserver  fe80::1%eth0\r\nnameserver bad\n;x\nsearch a\nsearch b. .c\n\nnameserver\n';
  t.strictSame(parseResolvConf(text), { servers: ['fe80::1'], search: ['b', 'c'] });
  t.equal(parseResolvConf('nameserver 10.0.0.1\n'.repeat(50)).servers.length, 8);
  t.end();
});
