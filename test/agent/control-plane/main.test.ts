// [m] The command outrigger-control-plane: usage, checking of a folder, serving until a signal.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { boundCommand } from '../../support/bound-command.ts';
import { DeltaClient } from './ads-client.ts';
import { productpage, split } from './small-mesh.ts';
import { programPath } from '../../support/program-path.ts';

const MAIN = programPath('agent/control-plane/main');

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[]): Promise<Outcome> {
  const child = spawn(...boundCommand(process.execPath, [MAIN, ...args]), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

t.test('outrigger-control-plane', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'control-plane-main-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'apps.yaml'), productpage);

  t.test('shows its usage for what it does not know', async (t) => {
    for (const [args, reason] of [
      [[], /--config is required/],
      [['--confg', folder], /Unknown option '--confg'/],
      [['--config', folder, '--listen', 'here'], /--listen must be host:port or unix:\/path/],
      [['--config', folder, '--mtls-mode', 'SOME'], /--mtls-mode must be one of/],
    ] as const) {
      const { code, err } = await run(args);
      t.equal(code, 2);
      t.match(err, reason);
      t.match(err, /Usage: outrigger-control-plane/);
    }
  });

  t.test('checks a folder', async (t) => {
    t.same(await run(['--config', folder, '--validate']), { code: 0, out: '', err: '' });
    writeFileSync(join(folder, 'split.yaml'), split(1, 1));
    const warned = await run(['--config', folder, '--validate']);
    t.match(warned, {
      code: 0,
      out: /^warning: split\.yaml: document 1, line 2: .*no service has the host/,
    });
    writeFileSync(join(folder, 'split.yaml'), split(-1, 1));
    const refused = await run(['--config', folder, '--validate']);
    t.match(refused, {
      code: 1,
      out: /^error: split\.yaml: document 1, line 9: spec\.http\[0\]\.route\[0\]\.weight: /,
    });
  });

  t.test('serves on a unix socket until it is told to stop', async (t) => {
    const target = `unix:${join(folder, 'ads.sock')}`;
    const child = spawn(
      ...boundCommand(process.execPath, [MAIN, '--config', folder, '--listen', target]),
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const closed = new Promise((resolve) => child.on('close', resolve));
    await new Promise<void>((resolve) => {
      let out = '';
      child.stdout.on('data', (chunk) => {
        out += String(chunk);
        if (out.includes('serves ADS on')) resolve();
      });
    });
    const client = new DeltaClient(target);
    client.ask('cluster');
    t.ok(
      (await client.next()).names.includes('outbound|9080||productpage.default.svc.cluster.local'),
    );
    client.close();
    child.kill('SIGTERM');
    t.equal(await closed, 0);
  });
});
