// [m] Flags, variables and their checks: every spelling of pflag, and every refusal names its flag.
import t from 'tap';
import { parseOptions } from '../../iptables-init/options.ts';
import type { IptablesOptions, Machine } from '../../iptables-init/options.ts';

type Variables = Readonly<Record<string, string>>;

const resolvConf = 'nameserver 10.96.0.10\n';
const machine: Machine = { uidOfUser: () => undefined, resolvConf: () => resolvConf };

function options(argv: readonly string[], variables: Variables = {}): IptablesOptions {
  const parsed = parseOptions(argv, variables, machine);
  if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

function problems(argv: readonly string[], variables: Variables = {}): readonly string[] {
  const parsed = parseOptions(argv, variables, machine);
  return parsed.kind === 'problems' ? parsed.problems : [];
}

t.test('parseOptions', async (t) => {
  await t.test('has the defaults of Istio', async (t) => {
    t.strictSame(options([]), {
      proxyPort: '15001',
      inboundCapturePort: '15006',
      inboundTunnelPort: '15008',
      proxyUids: ['1337'],
      proxyGids: ['1337'],
      interceptionMode: 'REDIRECT',
      tproxyMark: '1337',
      tproxyRouteTable: '133',
      inboundPortsInclude: [],
      inboundPortsExclude: [],
      excludeInterfaces: [],
      kubeVirtInterfaces: [],
      outboundCidrsInclude: { IPv4: [], IPv6: [] },
      outboundCidrsExclude: { IPv4: [], IPv6: [] },
      capturesLoopback: false,
      outboundPortsInclude: [],
      outboundPortsExclude: [],
      ownerGroupsInclude: '*',
      ownerGroupsExclude: [],
      loopbackCidrIPv4: '127.0.0.1/32',
      dns: undefined,
      dropInvalid: false,
      dualStack: false,
      action: 'apply',
      dryRun: false,
      restoreFormat: true,
      replace: 'never',
      iptablesBinary: undefined,
      nativeNftables: false,
      networkNamespace: undefined,
      cniMode: false,
      runValidation: false,
      probePort: '15002',
      probeTimeoutMs: 5000,
      notes: [],
    });
  });

  await t.test('reads every spelling of a flag', async (t) => {
    const spellings = [
      ['-p', '1234'],
      ['-p1234'],
      ['-p=1234'],
      ['--envoy-port', '1234'],
      ['--envoy-port=1234'],
      ['-np', '1234'],
      ['-p', '1', '-p', '01234'],
    ];
    for (const argv of spellings) t.equal(options(argv).proxyPort, '1234', argv.join(' '));
    t.equal(options(['-np1234']).dryRun, true);
    t.equal(options(['--dry-run=false']).dryRun, false);
    t.equal(options(['--restore-format=0']).restoreFormat, false);
  });

  await t.test(
    'takes variables where the flag is absent, and the flag where both are there',
    async (t) => {
      const variables = { ISTIO_INBOUND_PORTS: '80, 443,', PROXY_UID: '5', INVALID_DROP: 'true' };
      t.strictSame(options([], variables).inboundPortsInclude, ['80', '443']);
      t.strictSame(options(['-b', '*'], variables).inboundPortsInclude, '*');
      t.strictSame(options(['-b', ''], variables).inboundPortsInclude, [], 'an empty flag counts');
      t.strictSame(options([], variables).proxyGids, ['5'], 'groups follow users');
      t.equal(options([], variables).dropInvalid, true);
      t.equal(options(['--drop-invalid=false'], variables).dropInvalid, false);
      t.equal(options([], { ISTIO_DUAL_STACK: 'true' }).dualStack, true);
      t.equal(options([], { ENVOY_PORT: '' }).proxyPort, '15001', 'an empty variable is none');
    },
  );

  await t.test('takes the uid of ENVOY_USER', async (t) => {
    const uids: Variables = { 'istio-proxy': '1337', other: '77' };
    for (const [variables, uid] of [
      [{}, '1337'],
      [{ ENVOY_USER: 'other' }, '77'],
    ] as const) {
      const parsed = parseOptions([], variables, { ...machine, uidOfUser: (user) => uids[user] });
      t.strictSame(parsed.kind === 'options' && parsed.options.proxyUids, [uid]);
    }
  });

  await t.test('never ends up without a proxy user, which would loop', async (t) => {
    t.strictSame(options(['-u', ',']).proxyUids, ['1337']);
    t.strictSame(options(['-u', '']).proxyUids, ['1337']);
    t.equal(options([], { ISTIO_OUTBOUND_OWNER_GROUPS: ',' }).ownerGroupsInclude, '*');
  });

  await t.test('splits ranges by family and notices loopback', async (t) => {
    const mixed = options(['-i', '10.0.0.0/8,2001:DB8::/32', '-x', 'fd00::/8']);
    t.strictSame(mixed.outboundCidrsInclude, { IPv4: ['10.0.0.0/8'], IPv6: ['2001:db8::/32'] });
    t.strictSame(mixed.outboundCidrsExclude, { IPv4: [], IPv6: ['fd00::/8'] });
    t.equal(mixed.capturesLoopback, false);
    for (const range of ['127.0.0.1/32', '127.9.9.9/8', '::1/128', '0:0:0:0:0:0:0:1/128']) {
      t.equal(options(['-i', range]).capturesLoopback, true, range);
    }
    t.equal(options(['-i', '::11/128']).capturesLoopback, false);
  });

  await t.test('says what to do from its switches', async (t) => {
    t.equal(options(['--cleanup']).action, 'cleanup');
    t.equal(options(['--cleanup-only']).action, 'cleanup');
    t.equal(options(['--skip-rule-apply']).action, 'nothing');
    t.equal(options(['--reconcile']).replace, 'different');
    t.equal(options(['--reconcile', '--force-apply']).replace, 'always');
    t.equal(options(['--force-iptables-binary', 'legacy']).iptablesBinary, 'legacy');
    t.equal(parseOptions(['-h'], {}, machine).kind, 'help');
  });

  await t.test('refuses a bad value and names the flag', async (t) => {
    const table: readonly (readonly [argv: readonly string[], ...problems: string[]])[] = [
      [
        ['-b', '80,0,65536,x'],
        '-b, --istio-inbound-ports: "0" is no port (1 to 65535)',
        '-b, --istio-inbound-ports: "65536" is no port (1 to 65535)',
        '-b, --istio-inbound-ports: "x" is no port (1 to 65535)',
      ],
      [['-b', '80,*'], '-b, --istio-inbound-ports: "*" is no port (1 to 65535)'],
      [['-p', '-1'], '-p, --envoy-port: "-1" is no port (1 to 65535)'],
      [['-p', '1e3'], '-p, --envoy-port: "1e3" is no port (1 to 65535)'],
      [['-o', '*'], '-o, --istio-local-outbound-ports-exclude: "*" is no port (1 to 65535)'],
      [['-u', 'root'], '-u, --proxy-uid: "root" is no numeric id (0 to 4294967294)'],
      [['-g', '4294967295'], '-g, --proxy-gid: "4294967295" is no numeric id (0 to 4294967294)'],
      [['-i', '10.0.0.0'], '-i, --istio-service-cidr: "10.0.0.0" has no mask (write 10.0.0.0/32)'],
      [['-i', '10.0.0.0/33'], '-i, --istio-service-cidr: "10.0.0.0/33": the mask is 0 to 32'],
      [
        ['-i', 'fe80::1%eth0/64'],
        '-i, --istio-service-cidr: "fe80::1%eth0/64" is no CIDR (write 10.0.0.0/8 or 2001:db8::/32)',
      ],
      [
        ['-x', '*'],
        '-x, --istio-service-exclude-cidr: "*" is no CIDR (write 10.0.0.0/8 or 2001:db8::/32)',
      ],
      [
        ['-c', 'eth0;reboot'],
        '-c, --istio-exclude-interfaces: "eth0;reboot" is no interface name (1 to 15 characters)',
      ],
      [['-k', '-j'], '-k, --kube-virt-interfaces: "-j" is no interface name (1 to 15 characters)'],
      [
        ['-m', 'NONE'],
        '-m, --istio-inbound-interception-mode: "NONE" is not one of REDIRECT, TPROXY',
      ],
      [
        ['-t', '1338'],
        '-t, --istio-inbound-tproxy-mark: 1338 marks what the proxy sends to its own pod; choose another',
      ],
      [
        ['-t', '0'],
        '-t, --istio-inbound-tproxy-mark: 0 is the mark of all packets; choose another',
      ],
      [
        ['-r', '254'],
        '-r, --istio-inbound-tproxy-route-table: 254 is a table of the system; choose another',
      ],
      [
        ['--network-namespace', 'pod'],
        '--network-namespace: "pod" is no absolute path (write /run/netns/NAME or /proc/PID/ns/net)',
      ],
      [['--iptables-probe-port', '0'], '--iptables-probe-port: "0" is no port (1 to 65535)'],
      [['--probe-timeout', '2h'], '--probe-timeout: "2h" is more than an hour'],
      [['--dry-run=maybe'], '-n, --dry-run: "maybe" is neither true nor false'],
      [['-t', 'x'], '-t, --istio-inbound-tproxy-mark: "x" is no number from 0 to 4294967295'],
      [['--probe-timeout', '5'], '--probe-timeout: "5" is no duration (write 5s or 1m30s)'],
      [['--force-iptables-binary', 'x'], '--force-iptables-binary: "x" is not one of legacy, nft'],
      [
        ['--nope', '-y', 'word'],
        'unknown flag --nope',
        'unknown flag -y in "-y"',
        'unexpected argument "word"',
      ],
      [['--', '-p'], 'unexpected argument "--"', '-p, --envoy-port needs a value'],
      [['--__proto__=1'], 'unknown flag --__proto__'],
    ];
    for (const [argv, ...expected] of table) t.strictSame(problems(argv), expected, argv.join(' '));
  });

  await t.test('refuses a bad variable and names it', async (t) => {
    const table: readonly (readonly [Variables, string])[] = [
      [{ ENVOY_PORT: 'http' }, 'ENVOY_PORT (-p, --envoy-port): "http" is no port (1 to 65535)'],
      [
        { ISTIO_META_DNS_CAPTURE: 'perhaps' },
        'ISTIO_META_DNS_CAPTURE (--redirect-dns): "perhaps" is neither true nor false',
      ],
      [
        { ISTIO_OUTBOUND_OWNER_GROUPS: 'a b' },
        'ISTIO_OUTBOUND_OWNER_GROUPS: "a b" is neither a group name nor a numeric id',
      ],
      [
        { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '::1/128' },
        'ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: "::1/128" is no IPv4 CIDR (write 127.0.0.1/32)',
      ],
    ];
    for (const [variables, expected] of table) t.strictSame(problems([], variables), [expected]);
  });

  await t.test(
    'takes the variables Kubernetes sets for a service of that name for none',
    async (t) => {
      t.equal(options([], { ENVOY_PORT: 'tcp://10.0.0.1:80' }).proxyPort, '15001');
    },
  );

  await t.test('reads resolvers where DNS is captured, and only then', async (t) => {
    const read = (text: string, argv: readonly string[]) => {
      const parsed = parseOptions(argv, {}, { ...machine, resolvConf: () => text });
      if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
      return [parsed.options.dns, parsed.options.notes.length] as const;
    };
    const text =
      '# nameserver 1.1.1.1\nnameserver 10.96.0.10\n\tnameserver 8.8.8.8\nnameserver\t10.96.0.10 # twice\n' +
      'nameserver FD00::A\nnameserver fe80::1%eth0\nnameserver 300.1.1.1\nnameserver\nsearch nameserver\n';
    const servers = { IPv4: ['10.96.0.10/32'], IPv6: ['fd00::a/128', 'fe80::1/128'] };
    t.strictSame(read(text, ['--redirect-dns']), [{ all: false, servers }, 0]);
    t.strictSame(read('', ['--redirect-dns']), [undefined, 1], 'nothing to capture, and says so');
    const all = { all: true, servers: { IPv4: [], IPv6: [] } };
    t.strictSame(read('', ['--redirect-dns', '--capture-all-dns']), [all, 0]);
    t.strictSame(read(text, ['--capture-all-dns']), [undefined, 1]);
    const unreadable = {
      ...machine,
      resolvConf: () => {
        throw new Error('ENOENT');
      },
    };
    t.match(parseOptions(['--redirect-dns'], {}, unreadable), {
      problems: [
        /--redirect-dns: the pod’s resolvers cannot be read \(ENOENT\); or use --capture-all-dns/,
      ],
    });
    t.equal(parseOptions([], {}, unreadable).kind, 'options');
  });

  await t.test(
    'captures all with -p and -u alone, as in 2017, and with nothing else',
    async (t) => {
      const short = options(['-p', '15001', '-u', '1337', '--dry-run', '--dual-stack']);
      t.equal(short.inboundPortsInclude, '*');
      t.equal(short.outboundCidrsInclude, '*');
      t.equal(short.notes.length, 1);
      for (const argv of [
        ['-b', ''],
        ['-i', '10.0.0.0/8'],
        ['-z', '15006'],
        ['-m', 'REDIRECT'],
        ['-q', '80'],
      ]) {
        const other = options(['-p', '15001', '-u', '1337', ...argv]);
        t.strictSame(other.inboundPortsInclude, [], argv.join(' '));
        t.not(other.outboundCidrsInclude, '*', argv.join(' '));
      }
      const withVariable = options(['-p', '15001', '-u', '1337'], {
        ISTIO_SERVICE_CIDR: '10.0.0.0/8',
      });
      t.strictSame(withVariable.outboundCidrsInclude, { IPv4: ['10.0.0.0/8'], IPv6: [] });
      t.not(options(['-p', '15001']).outboundCidrsInclude, '*');
    },
  );

  await t.test('reads lists as annotations write them', async (t) => {
    for (const [text, expected] of [
      ['*', '*'],
      [' * ', '*'],
      ['', []],
      [' ', []],
      ['80', ['80']],
      ['80, 443 ,8080,', ['80', '443', '8080']],
    ] as const) {
      t.strictSame(options(['-b', text]).inboundPortsInclude, expected, JSON.stringify(text));
    }
    t.strictSame(options(['-i', '10.0.0.0/8, 192.168.0.0/16 ']).outboundCidrsInclude, {
      IPv4: ['10.0.0.0/8', '192.168.0.0/16'],
      IPv6: [],
    });
    t.strictSame(options(['-c', 'eth1, net1']).excludeInterfaces, ['eth1', 'net1']);
  });

  await t.test('reads durations', async (t) => {
    for (const [text, ms] of [
      ['5s', 5000],
      ['1m30s', 90_000],
      ['250ms', 250],
      ['1.5s', 1500],
      ['10us', 1],
    ] as const) {
      t.equal(options(['--probe-timeout', text]).probeTimeoutMs, ms, text);
    }
  });

  await t.test('lets no value become more than one word of a rule', async (t) => {
    const textFlags = [
      '-p',
      '-z',
      '-e',
      '-u',
      '-g',
      '-b',
      '-d',
      '-c',
      '-i',
      '-x',
      '-q',
      '-o',
      '-k',
    ];
    for (const flag of textFlags) {
      for (const value of ['1 -j ACCEPT', '1\nCOMMIT', '1\t2', '"1"', '1;2', '$(id)']) {
        t.not(problems([flag, value]).length, 0, `${flag} ${JSON.stringify(value)}`);
      }
    }
  });
});
