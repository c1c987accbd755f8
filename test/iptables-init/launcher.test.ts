// [m] The launcher: which Node, which entry, from where; and the program's exit codes.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';

const root = fileURLToPath(new URL('../..', import.meta.url));
const launcher = join(root, 'iptables-init/bin/outrigger-iptables');

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = '/',
): Ran {
  const PATH = process.env['PATH'] ?? '';
  return spawnSync(file, args, { encoding: 'utf8', cwd, env: { PATH, ...env } });
}

/** A tree with the launchers and an entry that prints its arguments, without Node and without our sources. */
function smallTree(t: Test): string {
  const tree = t.testdir({ 'iptables-init': { bin: {} }, proxy: { bin: {} } });
  copyFileSync(join(root, 'proxy/bin/launch.sh'), join(tree, 'proxy/bin/launch.sh'));
  copyFileSync(launcher, join(tree, 'iptables-init/bin/outrigger-iptables'));
  return tree;
}

/** An executable that answers `--version` with this, and else prints its arguments. */
function fakeNode(folder: string, version: string): string {
  const file = join(folder, 'node');
  writeFileSync(
    file,
    `#!/bin/sh\n[ "$1" = --version ] && { echo ${version}; exit; }\nprintf '%s|' "$@"\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

t.test('launch.sh', async (t) => {
  await t.test('finds its tree through a symlink and from any folder', async (t) => {
    const folder = t.testdir({ 'with blank': {} });
    const link = join(folder, 'with blank', 'link');
    symlinkSync(launcher, link);
    for (const [file, cwd] of [
      [launcher, '/'],
      [link, folder],
      ['./link', join(folder, 'with blank')],
    ] as const) {
      const ran = run(file, ['--dry-run'], {}, cwd);
      t.equal(ran.status, 0, ran.stderr);
      t.match(ran.stdout, /-A OUTPUT -j ISTIO_OUTPUT/);
    }
  });

  await t.test('prefers OUTRIGGER_NODE, then the tree’s own, then PATH', async (t) => {
    const tree = smallTree(t);
    const entry = join(tree, 'iptables-init/main.ts');
    writeFileSync(entry, '');
    const file = join(tree, 'iptables-init/bin/outrigger-iptables');
    const path = join(tree, 'path');
    mkdirSync(path);
    fakeNode(path, 'v99.0.0');
    const env = { PATH: `${path}:/usr/bin:/bin` };
    t.equal(run(file, ['a b', '*', ''], env).stdout, `${entry}|a b|*||`, 'arguments stay whole');

    mkdirSync(join(tree, 'node_modules/.bin'), { recursive: true });
    fakeNode(join(tree, 'node_modules/.bin'), 'v20.1.2');
    t.equal(run(file, [], env).stdout, `${entry}|`, 'too old in the tree, so PATH');

    fakeNode(path, 'v25.9.0');
    const refused = run(file, [], env);
    t.equal(refused.status, 1);
    t.match(refused.stderr, /needs Node 26 or newer .*is version 20; node is version 25.*npm ci/);

    const forced = join(tree, 'forced');
    mkdirSync(forced);
    const forcedNode = fakeNode(forced, 'v26.0.0');
    t.equal(run(file, [], { ...env, OUTRIGGER_NODE: forcedNode }).stdout, `${entry}|`);
    const missing = run(file, [], { ...env, OUTRIGGER_NODE: '/nowhere/node' });
    t.equal(missing.status, 1);
    t.match(
      missing.stderr,
      /OUTRIGGER_NODE must name a Node 26 or newer \(\/nowhere\/node does not run\)/,
    );
  });

  await t.test('runs emitted JS where sources are absent or it is asked to', async (t) => {
    const tree = smallTree(t);
    const file = join(tree, 'iptables-init/bin/outrigger-iptables');
    const source = join(tree, 'iptables-init/main.ts');
    const emitted = join(tree, 'dist/iptables-init/main.js');
    const env = { OUTRIGGER_NODE: fakeNode(tree, 'v26.1.0') };
    t.match(run(file, [], env), {
      status: 1,
      stderr: /neither .*main\.ts nor .*main\.js is there/,
    });
    writeFileSync(source, '');
    t.equal(run(file, [], env).stdout, `${source}|`);
    const asked = { ...env, OUTRIGGER_EMITTED: '1' };
    t.match(run(file, [], asked), { status: 1, stderr: /npm run build/ });
    mkdirSync(join(tree, 'dist/iptables-init'), { recursive: true });
    cpSync(source, emitted);
    t.equal(run(file, [], env).stdout, `${source}|`, 'sources go first');
    t.equal(run(file, [], asked).stdout, `${emitted}|`);
    rmSync(source);
    t.equal(run(file, [], env).stdout, `${emitted}|`);
  });
});

t.test('outrigger-iptables', async (t) => {
  await t.test('answers an unknown flag with usage and a failure', async (t) => {
    const ran = run(launcher, ['--no-such-flag']);
    t.equal(ran.status, 2);
    t.match(ran.stderr, /usage: outrigger-iptables[\s\S]*unknown flag --no-such-flag\n$/);
    t.equal(ran.stdout, '');
  });

  await t.test('explains a packet from the plan of the flags given', async (t) => {
    const words = ['--from', 'app', '--to', '10.0.0.5:443', '-i', '10.0.0.0/8', '-p', '16001'];
    const ran = run(launcher, ['explain', ...words]);
    t.equal(ran.status, 0, ran.stderr);
    t.match(
      ran.stdout,
      /It goes to port 16001 of this pod instead, because 10\.0\.0\.0\/8 is a captured/,
    );
    const refused = run(launcher, ['explain', '--to', 'nowhere']);
    t.equal(refused.status, 2);
    t.match(refused.stderr, /--to "nowhere" is no address with a port/);
  });

  await t.test('prints help', async (t) => {
    const ran = run(launcher, ['--help']);
    t.equal(ran.status, 0);
    t.match(ran.stdout, /-p, --envoy-port/);
  });

  await t.test('prints commands where restore format is off', async (t) => {
    const ran = run(launcher, ['-n', '--restore-format=false', '-b', '80']);
    t.equal(ran.status, 0, ran.stderr);
    t.match(ran.stdout, /iptables -t nat -A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_IN_REDIRECT/);
  });
});
