// [m] Exit reasons and the agent's own status after them.
import t from 'tap';

import { describeExit, exitStatus, isHopeless } from '../../../agent/supervisor/exit-reason.ts';
import type { ProxyExit } from '../../../agent/supervisor/exit-reason.ts';

const exit = (facts: Partial<ProxyExit>): ProxyExit => ({
  code: undefined,
  signal: undefined,
  spawnError: undefined,
  ranMs: 0,
  ...facts,
});
const spawnError = (code: string): ProxyExit =>
  exit({ spawnError: Object.assign(new Error(`spawn ${code}`), { code }) });

const CASES: readonly (readonly [ProxyExit, RegExp, number, boolean])[] = [
  [exit({ code: 0 }), /^ended by itself, without an error$/, 0, false],
  [exit({ code: 1 }), /^ended with an error, exit code 1; its last log lines/, 1, false],
  [exit({ code: 127 }), /a program that is not there/, 127, true],
  [exit({ code: 137 }), /^ended with exit code 137, as after SIGKILL$/, 137, false],
  [exit({ code: 200 }), /^ended with exit code 200$/, 200, false],
  [exit({ signal: 'SIGKILL' }), /^killed by SIGKILL \(signal 9\): .*memory ran out$/, 137, false],
  [exit({ signal: 'SIGABRT' }), /^killed by SIGABRT \(signal 6\)/, 134, false],
  [exit({ signal: 'SIGUSR2' }), /^killed by SIGUSR2 \(signal 12\)$/, 140, false],
  [spawnError('ENOENT'), /^could not be started: no such file$/, 127, true],
  [spawnError('EACCES'), /^could not be started: not executable/, 126, true],
  [spawnError('EAGAIN'), /^could not be started: the limit of processes/, 126, false],
  [spawnError('EOTHER'), /^could not be started: spawn EOTHER$/, 126, false],
];

t.test('ExitReason', (t) => {
  for (const [facts, words, status, hopeless] of CASES) {
    t.match(describeExit(facts), words);
    t.equal(exitStatus(facts), status);
    t.equal(isHopeless(facts), hopeless);
  }
  t.end();
});
