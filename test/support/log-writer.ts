// Writes numbered lines to an access log, as one worker thread or process of several: path, name, count.
import { setTimeout as sleep } from 'node:timers/promises';
import { realTime } from '../../proxy/base/clock.ts';
import { LogFiles } from '../../proxy/access-log/log-files.ts';

const [path = '', name = '', count = '0'] = process.argv.slice(2);
const files = new LogFiles(realTime, 5);
const file = files.open(path);
for (let i = 0; i < Number(count); i++) {
  file.write(`${name} ${i} ${'-'.repeat((i * 37) % 400)}.\n`);
  if (i % 500 === 499) await sleep(5);
}
// A slow reader gets time to catch up, where close() would give it up.
await sleep(400);
files.close();
