// Priorities of threads, as the kernel has them: main behind its workers.
import { readFileSync, readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import t from 'tap';
import { ProxyProcess, bootstrapOf } from '../../support/proxy-process.ts';

/** Nice values by thread name (proc(5): the 19th field of stat, counted behind the name in brackets). */
function niceByThread(pid: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    found.set(name, Number(fields[16]));
  }
  return found;
}

t.test('workers come before main', { skip: process.platform !== 'linux' }, async (t) => {
  const proxy = await ProxyProcess.start(t, bootstrapOf([], []), undefined, 2);
  const nice = niceByThread(proxy.pid);
  const own = getPriority();
  t.equal(nice.get('worker_0'), own);
  t.equal(nice.get('worker_1'), own);
  const main = [...nice].find(([name]) => /^(?:node|main)/i.test(name) && !name.includes('V8'));
  t.equal(main?.[1], Math.min(19, own + 8), `${main?.[0]}`);
});
