// [m] FlightRecord in simulated time: what it says of an end, its bounds, and that older ones go.
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { FlightRecord } from '../../../agent/supervisor/flight-record.ts';
import { captureLog } from '../../support/captured-log.ts';
import { privateDir } from '../../support/private-dir.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const EXIT = { code: undefined, signal: 'SIGKILL', spawnError: undefined, ranMs: 1234.5 } as const;

t.test('FlightRecord', (t) => {
  t.test(
    'tells the end, the last lines, also those that come late, and the configuration',
    async (t) => {
      const workDir = privateDir(t);
      const time = new SimulatedTime();
      const { logger, lines } = captureLog();
      const record = new FlightRecord({
        workDir,
        configVersions: () => new Map([['type.googleapis.com/x', 'v7']]),
        logger,
        time,
      });
      for (let line = 0; line < 10_000; line++) record.onOutput(3, Buffer.from(`line ${line}\n`));
      record.onExit({ epoch: 3, pid: 77, exit: EXIT, reason: 'killed by SIGKILL (signal 9)' });
      record.onOutput(3, Buffer.from('the last words\n'));
      time.advance(100);
      await record.settled();
      const path = join(workDir, 'flight-record-3.json');
      const found = JSON.parse(readFileSync(path, 'utf8')) as { readonly lastLines: string[] };
      t.match(found, {
        epoch: 3,
        pid: 77,
        reason: 'killed by SIGKILL (signal 9)',
        endedAt: '2001-09-09T01:46:40.100Z',
        ranMs: 1235,
        signal: 'SIGKILL',
        configVersions: { 'type.googleapis.com/x': 'v7' },
      });
      t.equal(found.lastLines.length, 50);
      t.equal(found.lastLines.at(-1), 'the last words');
      t.equal(statSync(path).mode & 0o777, 0o600);
      t.match(lines, [/flight record of epoch 3: /]);
    },
  );

  t.test('is of one process, also where the next one is there before it is written', async (t) => {
    const workDir = privateDir(t);
    const time = new SimulatedTime();
    const { logger } = captureLog();
    let version = 'v1';
    const configVersions = (): ReadonlyMap<string, string> => new Map([['x', version]]);
    const record = new FlightRecord({ workDir, configVersions, logger, time });
    const recordOf = (epoch: number): unknown =>
      JSON.parse(readFileSync(join(workDir, `flight-record-${epoch}.json`), 'utf8'));
    const flight = { pid: 1, exit: EXIT, reason: 'x' };
    record.onOutput(1, Buffer.from('first\n'));
    record.onExit({ epoch: 1, ...flight });
    version = 'v2';
    record.onOutput(2, Buffer.from('second\n'));
    record.onOutput(1, Buffer.from('late\n'));
    time.advance(100);
    await record.settled();
    t.match(recordOf(1), { lastLines: ['first', 'late'], configVersions: { x: 'v1' } });
    record.onExit({ epoch: 2, ...flight });
    time.advance(100);
    await record.settled();
    t.strictSame((recordOf(2) as { lastLines: string[] }).lastLines, ['second']);
    record.onExit({ epoch: 4, ...flight });
    time.advance(100);
    await record.settled();
    t.match(recordOf(4), { lastLines: [] }, 'and may have said nothing');
  });

  t.test('keeps five, also of agents before', async (t) => {
    const workDir = privateDir(t);
    const time = new SimulatedTime();
    const { logger } = captureLog();
    const parts = { workDir, configVersions: () => new Map<string, string>(), logger, time };
    for (const file of ['flight-record-91.json', 'flight-record-92.json', 'other.json']) {
      writeFileSync(join(workDir, file), '{}');
      utimesSync(join(workDir, file), 1, 1);
    }
    const record = new FlightRecord(parts);
    for (let epoch = 1; epoch <= 8; epoch++) {
      record.onExit({ epoch, pid: 1, exit: EXIT, reason: 'x' });
      time.advance(100);
      await record.settled();
      const path = join(workDir, `flight-record-${epoch}.json`);
      // A file's time has the grain of the kernel's clock.
      utimesSync(path, 100 + epoch, 100 + epoch);
    }
    t.strictSame(readdirSync(workDir).sort(), [
      ...[4, 5, 6, 7, 8].map((epoch) => `flight-record-${epoch}.json`),
      'other.json',
    ]);
  });

  t.end();
});
