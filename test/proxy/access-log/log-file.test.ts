// Access log files: batches, order, two writers on one file, reopening, closing, full queues, pipes.
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { realTime } from '../../../proxy/base/clock.ts';
import { LogFiles } from '../../../proxy/access-log/log-files.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { eventually } from '../../support/eventually.ts';

const countsOf = (store: StatsStore): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let id = 0; id < store.size; id++) counts.set(store.definition(id).name, store.value(id));
  return counts;
};

t.test('LogFile', (t) => {
  t.test('writes after the flush interval, in one piece', async (t) => {
    const path = join(t.testdir(), 'access.log');
    const time = new SimulatedTime();
    const store = new StatsStore();
    const files = new LogFiles(time, 10_000, { store });
    const file = files.open(path);
    t.equal(files.open(path), file, 'a path is opened once');
    t.equal(time.pending, 0, 'no timer without lines');
    file.write('one\n');
    file.write('two \u00e9\n');
    time.advance(9_999);
    t.equal(readFileSync(path, 'latin1'), '');
    time.advance(1);
    await eventually(
      'both lines are there',
      () => readFileSync(path, 'latin1') === 'one\ntwo \u00e9\n',
    );
    await eventually(
      'the write is counted',
      () => countsOf(store).get('filesystem.write_completed') === 1,
    );
    t.equal(countsOf(store).get('filesystem.flushed_by_timer'), 1);
    t.equal(countsOf(store).get('filesystem.write_total_buffered'), 0);
    t.equal(time.pending, 0);
    files.close();
  });

  t.test('writes a full buffer before its time, keeping the order', async (t) => {
    const path = join(t.testdir(), 'access.log');
    const files = new LogFiles(new SimulatedTime(), 10_000);
    const file = files.open(path);
    let expected = '';
    for (let i = 0; i < 3000; i++) {
      const line = `${i} ${'x'.repeat(i % 200)}\n`;
      expected += line;
      file.write(line);
    }
    const long = `${'y'.repeat(200_000)}\n`;
    file.write(long);
    expected += long;
    files.flush();
    await eventually('all lines are there', () => readFileSync(path, 'latin1') === expected);
    files.close();
  });

  t.test('fills buffers again that were written, and none that still waits', async (t) => {
    const path = join(t.testdir(), 'access.log');
    const store = new StatsStore();
    const files = new LogFiles(new SimulatedTime(), 10_000, { store, flushBytes: 4096 });
    const file = files.open(path);
    let expected = '';
    for (let round = 0; round < 8; round++) {
      // Several buffers at once in each second round, a line longer than one in between.
      const lines = round % 2 === 0 ? 20 : 400;
      for (let i = 0; i < lines; i++) {
        const line = `${round} ${i} ${String.fromCharCode(97 + round).repeat(i === 7 ? 5000 : 60)}\n`;
        expected += line;
        file.write(line);
      }
      files.flush();
      const at = round;
      await eventually(
        `round ${at} is written`,
        () => countsOf(store).get('filesystem.write_total_buffered') === 0,
      );
      t.ok(readFileSync(path, 'latin1') === expected, `round ${at} is whole`);
    }
    files.close();
  });

  t.test('writes as soon as enough waits', async (t) => {
    const path = join(t.testdir(), 'access.log');
    const time = new SimulatedTime();
    const files = new LogFiles(time, 10_000, { flushBytes: 10 });
    const file = files.open(path);
    file.write('12345678\n');
    t.equal(time.pending, 1, 'waits for its time');
    file.write('x\n');
    t.equal(time.pending, 0);
    await eventually('both lines are there', () => readFileSync(path, 'utf8') === '12345678\nx\n');
    files.close();
  });

  t.test('writes what is left when it closes', (t) => {
    const path = join(t.testdir(), 'access.log');
    const store = new StatsStore();
    const files = new LogFiles(new SimulatedTime(), 10_000, { store });
    const file = files.open(path);
    file.write('last words\n');
    files.close();
    t.equal(readFileSync(path, 'utf8'), 'last words\n');
    file.write('too late\n');
    t.equal(countsOf(store).get('filesystem.write_dropped'), 1);
    t.end();
  });

  t.test('writes to a new file after the old one was moved away', (t) => {
    const directory = t.testdir();
    const path = join(directory, 'access.log');
    const files = new LogFiles(new SimulatedTime(), 10_000);
    files.open(path).write('before\n');
    renameSync(path, `${path}.1`);
    files.reopen();
    files.open(path).write('after\n');
    files.close();
    t.equal(
      readFileSync(path, 'utf8'),
      'before\nafter\n',
      'as Envoy: what was buffered goes to the new file',
    );
    t.equal(readFileSync(`${path}.1`, 'utf8'), '');
    t.end();
  });

  t.test('drops and counts lines when the disk does not keep up', (t) => {
    const store = new StatsStore();
    const files = new LogFiles(new SimulatedTime(), 10_000, { store });
    const file = files.open(join(t.testdir(), 'access.log'));
    const line = `${'z'.repeat(65_000)}\n`;
    // Nothing is written until the event loop turns.
    for (let i = 0; i < 100; i++) file.write(line);
    t.equal(
      countsOf(store).get('filesystem.write_dropped'),
      100 - Math.floor((4 * 1024 * 1024) / line.length),
    );
    files.close();
    t.end();
  });

  t.test('counts writes that fail', async (t) => {
    const store = new StatsStore();
    const files = new LogFiles(new SimulatedTime(), 10_000, { store });
    const file = files.open('/dev/full');
    file.write('nowhere\n');
    file.flush();
    await eventually(
      'the failure is counted',
      () => countsOf(store).get('filesystem.write_failed') === 1,
    );
    t.equal(countsOf(store).get('filesystem.write_total_buffered'), 0);
    files.close();
  });

  t.test('says what is wrong with a path', (t) => {
    const path = join(t.testdir(), 'no', 'such', 'access.log');
    const files = new LogFiles(new SimulatedTime(), 10_000);
    t.throws(() => files.open(path), {
      name: 'ConfigError',
      message: /unable to open file '.*access\.log': ENOENT/,
    });
    t.end();
  });

  t.test('keeps the lines of two threads apart', async (t) => {
    const path = join(t.testdir(), 'access.log');
    const url = new URL('../../support/log-writer.ts', import.meta.url);
    const run = (name: string): Promise<void> =>
      new Promise((done) =>
        new Worker(url, { argv: [path, name, '4000'] }).on('exit', () => done()),
      );
    await Promise.all([run('a'), run('b')]);
    const lines = readFileSync(path, 'utf8').split('\n');
    t.equal(lines.pop(), '');
    for (const name of ['a', 'b']) {
      const own = lines
        .filter((line) => line.startsWith(`${name} `))
        .map((line) => line.split(' ')[1]);
      t.same(
        own,
        Array.from({ length: 4000 }, (_, i) => String(i)),
      );
    }
    t.equal(lines.length, 8000);
    t.ok(lines.every((line) => line.endsWith('.')));
  });

  t.test('writes to a pipe behind /dev/stdout that is read slowly', (t) => {
    const script = new URL('../../support/log-writer.ts', import.meta.url).pathname;
    const command = `'${process.execPath}' '${script}' /dev/stdout p 4000 | (sleep 0.2; cat)`;
    const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', maxBuffer: 1 << 24 });
    const lines = stdout.split('\n');
    t.equal(lines.pop(), '');
    t.equal(lines.length, 4000);
    t.ok(lines.every((line, i) => line.startsWith(`p ${i} `) && line.endsWith('.')));
    t.end();
  });
  t.end();
});

t.test('LogFiles flushes by real time', async (t) => {
  const path = join(t.testdir(), 'access.log');
  const files = new LogFiles(realTime, 20);
  files.open(path).write('x\n');
  await eventually('the line is there', () => readFileSync(path, 'utf8') === 'x\n');
  files.close();
});
