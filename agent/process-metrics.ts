// [m] What every exporter says of its process, under the agent's prefix as stock pilot-agent does; read when it is scraped (Linux: proc(5)).
import type { Registry } from 'prom-client';

import { fs } from '../proxy/base/node-builtins.ts';
import { CounterClass, GaugeClass } from './prometheus.ts';

const PREFIX = 'istio_agent_process_';
const KIB = 1024;

/** `pattern` has one number in parentheses. Undefined: there is no such thing here. */
function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const [, digits] = pattern.exec(fs.readFileSync(path, 'latin1')) ?? [];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}

function openFiles(): number | undefined {
  try {
    // One of them is the folder itself.
    return fs.readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}

function virtualBytes(): number | undefined {
  const kib = numberIn('/proc/self/status', /^VmSize:\s+([0-9]+) kB/m);
  return kib === undefined ? undefined : kib * KIB;
}

const GAUGES: readonly (readonly [name: string, help: string, read: () => number | undefined])[] = [
  ['resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss()],
  ['virtual_memory_bytes', 'Virtual memory size in bytes.', virtualBytes],
  ['open_fds', 'Number of open file descriptors.', openFiles],
  [
    'max_fds',
    'Maximum number of open file descriptors.',
    () => numberIn('/proc/self/limits', /^Max open files\s+([0-9]+)/m),
  ],
];

export function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const cpu = new CounterClass({
    name: `${PREFIX}cpu_seconds_total`,
    help: 'Total user and system CPU time spent in seconds.',
    registers,
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  const started = new GaugeClass({
    name: `${PREFIX}start_time_seconds`,
    help: 'Start time of the process since unix epoch in seconds.',
    registers,
  });
  started.set(Date.now() / 1000 - process.uptime());
  for (const [name, help, read] of GAUGES) {
    const gauge = new GaugeClass({
      name: PREFIX + name,
      help,
      registers,
      collect: () => {
        const value = read();
        if (value !== undefined) gauge.set(value);
      },
    });
  }
}
