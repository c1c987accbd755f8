// [m] FlightRecord in simulated time: what it says of an end, its bounds, and that older ones go.
import { readdirSync, readFileSync, statSync } from 'node:fs';
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
      for (let line = 0; line < 10_000; line++) record.onOutput(Buffer.from(`line ${line}\n`));
      record.onExit({ epoch: 3, pid: 77, exit: EXIT, reason: 'killed by SIGKILL (signal 9)' });
      record.onOutput(Buffer.from('the last words\n'));
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

  t.test('keeps five', async (t) => {
    const workDir = privateDir(t);
    const time = new SimulatedTime();
    const { logger } = captureLog();
    const parts = { workDir, configVersions: () => new Map<string, string>(), logger, time };
    const record = new FlightRecord(parts);
    for (let epoch = 1; epoch <= 8; epoch++) {
      record.onExit({ epoch, pid: 1, exit: EXIT, reason: 'x' });
      time.advance(100);
      await record.settled();
    }
    t.equal(readdirSync(workDir).length, 5);
  });

  t.end();
});
