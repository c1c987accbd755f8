// What `npm test` makes of files that end badly: each must count as a failure, and nothing they started may stay.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { readMarks, runTestFile } from './test-file.ts';
import type { FileResult } from './test-file.ts';

const PASSING = `console.log('ok 1 - fine\\n1..1');`;

t.test('runTestFile', (t) => {
  const run = async (name: string, source: string, timeoutMs = 60_000): Promise<FileResult> => {
    const folder = t.testdir({ [name]: source });
    return runTestFile({ path: join(folder, name), serial: false, long: false, timeoutMs });
  };

  t.test('counts a file that passes', async (t) => {
    const result = await run('a.mjs', PASSING);
    t.strictSame([result.passed, result.failed, result.faults], [1, [], []]);
  });

  const broken: readonly [why: string, source: string, fault: RegExp][] = [
    ['holds no test', '', /holds no test/],
    ['crashes after its tests', `${PASSING} process.exitCode = 3;`, /exited with code 3/],
    ['ends before its plan', `console.log('ok 1 - a'); process.exit(0);`, /before its plan/],
    ['is killed', `${PASSING} process.kill(process.pid, 'SIGKILL');`, /ended by SIGKILL/],
  ];
  for (const [why, source, fault] of broken) {
    t.test(`counts one failure where a file ${why}`, async (t) => {
      const result = await run('a.mjs', source);
      t.equal(result.faults.length, 1);
      t.match(result.faults[0], fault);
    });
  }

  t.test('stops a file that hangs, even one that ignores SIGTERM', async (t) => {
    const result = await run(
      'a.mjs',
      `${PASSING} process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`,
      500,
    );
    t.match(result.faults, [/longer than 0.5 s/]);
  });

  t.test('ends what a file leaves running', async (t) => {
    const result = await run(
      'a.mjs',
      `import { spawn } from 'node:child_process';
       const child = spawn('sleep', ['600'], { stdio: 'ignore' });
       child.unref();
       console.error(child.pid);
       ${PASSING}`,
    );
    t.equal(result.leftRunning, true);
    t.strictSame(result.faults, []);
    const pid = Number(result.errorTail[0]);
    for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(20);
    t.notOk(isAlive(pid));
  });

  t.test('reads marks from the comments on top only', (t) => {
    const folder = t.testdir({
      'a.ts': '// What it is.\n// @serial\n// @timeout 120 s\nimport x;\n// @long\n',
      'b.ts': 'import x;\n// @serial\n',
    });
    const a = join(folder, 'a.ts');
    t.strictSame(readMarks(a, 1000), { path: a, serial: true, long: false, timeoutMs: 120_000 });
    const b = join(folder, 'b.ts');
    t.strictSame(readMarks(b, 1000), { path: b, serial: false, long: false, timeoutMs: 1000 });
    t.end();
  });
  t.end();
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
