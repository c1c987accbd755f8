// Lines of the process log: shape, order, files that are moved away, readers that are behind.
import { spawn } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ProcessLog } from '../../../proxy/server/process-log.ts';
import { eventually } from '../../support/eventually.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const linesOf = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

t.test('a line a record: level, time, component, fields, message', async (t) => {
  const path = join(t.testdir(), 'log');
  const time = new SimulatedTime();
  const log = new ProcessLog(path, time);
  const at = new Date(time.wallMs()).toISOString();
  const fields = { tookMs: 3, count: 7n, nothing: undefined };
  log.write({ level: 'info', component: 'main', message: 'two\nlines "é"', fields });
  log.writeWorker(1, {
    level: 'warning',
    component: 'router',
    message: 'slow',
    fields: undefined,
    wallMs: 0,
  });
  t.equal(
    readFileSync(path, 'utf8'),
    `{"level":"info","time":"${at}","component":"main","tookMs":3,"count":"7","msg":"two\\nlines \\"é\\""}\n` +
      '{"level":"warning","time":"1970-01-01T00:00:00.000Z","component":"router","worker":1,"msg":"slow"}\n',
  );
});

t.test('goes on in a new file once the old one was moved away', async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'log');
  const moved = join(directory, 'log.1');
  const log = new ProcessLog(path, new SimulatedTime());
  const say = (message: string): void =>
    log.write({ level: 'info', component: 'main', message, fields: undefined });
  say('first');
  renameSync(path, moved);
  say('second');
  log.reopen();
  say('third');
  t.match(linesOf(moved), [{ msg: 'first' }, { msg: 'second' }]);
  t.match(linesOf(path), [{ msg: 'third' }]);
});

t.test('a folder that is not there', async (t) => {
  const path = join(t.testdir(), 'none', 'log');
  t.throws(() => new ProcessLog(path, new SimulatedTime()), { code: 'ENOENT' });
});

t.test('a reader that is behind gets every line whole', async (t) => {
  const module = new URL('../../../proxy/server/process-log.ts', import.meta.url).href;
  const program = `
    const { ProcessLog } = await import(${JSON.stringify(module)});
    const { realTime } = await import(${JSON.stringify(new URL('../../../proxy/base/clock.ts', import.meta.url).href)});
    const log = new ProcessLog('', realTime);
    for (let i = 0; i < 300; i++)
      log.write({ level: 'info', component: 'main', message: i + 'x'.repeat(2000), fields: undefined });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  // Reads nothing until the pipe is full.
  setTimeout(() => child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString())), 200);
  await new Promise((resolve) => child.on('close', resolve));
  const lines = text.split('\n').slice(0, -1);
  t.equal(lines.length, 300);
  t.ok(lines.every((line) => (JSON.parse(line) as { msg: string }).msg.length > 2000));
});

t.test('a reader that stands still holds up one line, not each', async (t) => {
  const module = new URL('../../../proxy/server/process-log.ts', import.meta.url).href;
  const clock = new URL('../../../proxy/base/clock.ts', import.meta.url).href;
  const program = `
    const { ProcessLog } = await import(${JSON.stringify(module)});
    const { realTime } = await import(${JSON.stringify(clock)});
    // Whoever opens it as a stream makes it one that does not block.
    process.stderr.on('error', () => {});
    const log = new ProcessLog('', realTime);
    const write = (message) => log.write({ level: 'info', component: 'main', message, fields: undefined });
    for (let i = 0; i < 100; i++) write(i + 'x'.repeat(5000));
    process.stdout.write('done');
    process.stdin.once('data', () => {
      write('again');
      process.exit();
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  t.teardown(() => void child.kill());
  const startMs = Date.now();
  await new Promise((resolve) => child.stdout.once('data', resolve));
  t.ok(Date.now() - startMs < 20_000, 'a second each would be 80 s');
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await eventually('the reader has read', () => text.length >= 60_000);
  child.stdin.write('go on');
  await new Promise((resolve) => child.on('close', resolve));
  const last = text.trimEnd().split('\n').at(-1)!;
  t.match(JSON.parse(last), { msg: 'again' }, 'on a line of its own');
});
