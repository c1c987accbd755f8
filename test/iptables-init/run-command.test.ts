// [m] What an operator is told where a program fails, from what iptables, nft and ip say on kernels of all sorts.
import t from 'tap';
import { explainFailure, run } from '../../iptables-init/run-command.ts';

const text =
  '* nat\n-N ISTIO_OUTPUT\n-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN\nCOMMIT\n';
const restore = 'iptables-nft-restore --noflush';

t.test('explainFailure', async (t) => {
  const table: readonly (readonly [
    name: string,
    command: string,
    stderr: string,
    expected: RegExp,
  ])[] = [
    [
      'a module that nf_tables lacks',
      restore,
      'Warning: Extension owner revision 0 not supported, missing kernel module?\niptables-nft-restore: line 3: RULE_APPEND failed (No such file or directory): rule in chain ISTIO_OUTPUT',
      /the line is "-A ISTIO_OUTPUT -m owner.*modprobe xt_owner on the node/,
    ],
    [
      'a module that legacy lacks',
      'iptables-legacy-restore',
      'iptables-restore: line 3 failed: No chain/target/match by that name.',
      /modprobe xt_owner on the node/,
    ],
    [
      'a line that COMMIT only names',
      restore,
      'iptables-nft-restore: line 4: TABLE_ADD failed',
      /modprobe ip_tables, iptable_nat or nf_tables/,
    ],
    [
      'a table that legacy lacks',
      'iptables-legacy-restore',
      "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'\nTable does not exist (do you need to insmod?)",
      /modprobe ip_tables, iptable_nat or nf_tables/,
    ],
    [
      'no nf_tables at all',
      'iptables-nft-save',
      'iptables-nft-save: Could not fetch rule set generation id: Protocol not supported',
      /lacks a module/,
    ],
    [
      'no rights',
      restore,
      'iptables-nft-restore: Could not fetch rule set generation id: Permission denied (you must be root)',
      /capabilities NET_ADMIN and NET_RAW/,
    ],
    [
      'no rights to a route',
      'ip -6 addr add ::6/128 dev lo',
      'RTNETLINK answers: Operation not permitted',
      /capabilities NET_ADMIN/,
    ],
    [
      'a lock that is held',
      'iptables-legacy-restore',
      'Another app is currently holding the xtables lock; still -9s 0us time ahead to have a chance to grab the lock...',
      /another program holds the lock/,
    ],
    [
      'a lock that cannot be made',
      'iptables-legacy-restore',
      "Fatal: can't open lock file /run/xtables.lock: Read-only file system",
      /mount what is named writable/,
    ],
    ['no program', 'iptables-save', 'not found', /install the package iptables\)/],
    ['no ip', 'ip rule', 'not found', /install the package iproute2/],
    ['no nft', 'nft -f -', 'not found', /install the package nftables/],
    [
      'an id that is not mapped',
      restore,
      'iptables-nft-restore: line 3: RULE_APPEND failed (Invalid argument): rule in chain ISTIO_OUTPUT',
      /the user namespace does not know that user or group/,
    ],
    ['something else', restore, 'whatever', /^iptables-nft-restore --noflush: whatever$/],
    ['nothing', restore, '', /: exit 1$/],
  ];
  for (const [name, command, stderr, expected] of table) {
    t.match(explainFailure(command, { status: 1, stdout: '', stderr }, text), expected, name);
  }
});

t.test('run', async (t) => {
  t.match(run('no-such-program-at-all', []), { status: undefined, stderr: 'not found' });
  t.match(run('sh', ['-c', 'cat; echo $X; exit 3'], { input: 'in', env: { X: 'x' } }), {
    status: 3,
    stdout: 'inx\n',
  });
});
