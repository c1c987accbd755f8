// Compiled code beside the bundle: both threads have some, V8 takes it, and a program starts without it all the same.
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { launcherFlags, writeCompiledCode } from '../../build/compiled-code.ts';
import { bundle } from '../../build/emit.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Told of each file that is loaded, it prints how many had code, and how many of them V8 refused. */
const COUNTER = `
const scripts = (globalThis[Symbol.for('outrigger.scripts')] = []);
process.on('exit', () => {
  const withCode = scripts.filter(({ script }) => script.cachedDataRejected !== undefined);
  const refused = withCode.filter(({ script }) => script.cachedDataRejected);
  process.stdout.write(JSON.stringify({ code: withCode.length, refused: refused.length }));
});`;

t.test('Compiled code', async (t) => {
  const out = t.testdir();
  await bundle(ROOT, out);
  await writeCompiledCode(ROOT, out);
  const counter = join(out, 'counter.cjs');
  writeFileSync(counter, COUNTER);
  const run = (flags: readonly string[]): { version: string; code: number; refused: number } => {
    const words = [...flags, '--require', counter, join(out, 'proxy/main.js'), '--version'];
    const text = execFileSync(process.execPath, words, { encoding: 'utf8' });
    const at = text.indexOf('{');
    const counts = JSON.parse(text.slice(at)) as { code: number; refused: number };
    return { version: text.slice(0, at), ...counts };
  };

  t.test('is there for both threads', (t) => {
    for (const thread of ['proxy-main', 'server-worker']) {
      const files = globSync(`**/*.js.${thread}.code`, { cwd: out });
      t.ok(files.length > 1, `${thread}: ${files.join(' ')}`);
    }
    t.end();
  });

  t.test('is taken with the flags of the launcher', (t) => {
    const { version, code, refused } = run(launcherFlags(ROOT));
    t.match(version, /\d+\.\d+/);
    t.ok(code > 1, 'files have code');
    t.equal(refused, 0);
    t.end();
  });

  t.test('is refused with others, and nothing else is different', (t) => {
    const { version, code, refused } = run(['--max-lazy']);
    t.match(version, /\d+\.\d+/);
    t.equal(refused, code);
    t.end();
  });

  t.test('loads packages without a word', (t) => {
    const words = ['--config-yaml', 'node: { id: a }', '--mode', 'validate'];
    const args = [...launcherFlags(ROOT), join(out, 'proxy/main.js'), ...words];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    t.equal(status, 0);
    t.equal(stderr, '');
    t.end();
  });

  t.test('need not be there', (t) => {
    for (const path of globSync('**/*.code', { cwd: out })) rmSync(join(out, path));
    const { version, code } = run(launcherFlags(ROOT));
    t.match(version, /\d+\.\d+/);
    t.equal(code, 0);
    t.end();
  });
});
