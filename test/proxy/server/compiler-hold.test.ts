// The compiler waits while the process starts, and no longer.
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { launcherFlags } from '../../../build/compiled-code.ts';
import { CompilerHold, USUAL_INVOCATIONS } from '../../../proxy/server/compiler-hold.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { join } from 'node:path';

const FLAG = '--invocation-count-for-turbofan';

t.test('CompilerHold', (t) => {
  t.test("goes back to V8's own number, from the launcher's", (t) => {
    const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    t.match(options, new RegExp(`default: ${FLAG}=${USUAL_INVOCATIONS}\\n`));
    const flags = launcherFlags(join(import.meta.dirname, '../../..'));
    t.ok(flags.includes(`${FLAG}=${USUAL_INVOCATIONS * 10}`));
    t.end();
  });

  t.test('ends with the start, or by itself', (t) => {
    const time = new SimulatedTime();
    const hold = new CompilerHold(time);
    hold.end();
    hold.end();
    t.equal(time.pending, 0);
    new CompilerHold(time);
    time.advance(5_000);
    t.equal(time.pending, 0);
    new CompilerHold(time).close();
    t.equal(time.pending, 0);
    t.end();
  });
  t.end();
});
