// [m] AgentMetrics: the names that dashboards know from stock pilot-agent, and what the process says of itself.
import t from 'tap';

import { AgentMetrics } from '../../agent/agent-metrics.ts';

/** All of stock's but those of Wasm modules, which this agent does not load. */
const NAMES: readonly (readonly [name: string, type: string])[] = [
  ['startup_duration_seconds', 'gauge'],
  ['scrapes_total', 'counter'],
  ['scrape_failures_total', 'counter'],
  ['istiod_connection_failures', 'counter'],
  ['istiod_connection_terminations', 'counter'],
  ['envoy_connection_terminations', 'counter'],
  ['xds_proxy_requests', 'counter'],
  ['xds_proxy_responses', 'counter'],
  ['dns_requests_total', 'counter'],
  ['dns_upstream_requests_total', 'counter'],
  ['dns_upstream_failures_total', 'counter'],
  ['dns_upstream_request_duration_seconds', 'histogram'],
  ['outgoing_latency', 'counter'],
  ['num_outgoing_requests', 'counter'],
  ['num_failed_outgoing_requests', 'counter'],
  ['num_file_watcher_failures_total', 'counter'],
  ['num_file_secret_failures_total', 'counter'],
  ['cert_expiry_seconds', 'gauge'],
  ['process_cpu_seconds_total', 'counter'],
  ['process_start_time_seconds', 'gauge'],
  ['process_resident_memory_bytes', 'gauge'],
  ['process_virtual_memory_bytes', 'gauge'],
  ['process_open_fds', 'gauge'],
  ['process_max_fds', 'gauge'],
];

const valueOf = (text: string, name: string): number =>
  Number(new RegExp(`^istio_agent_${name} (.+)$`, 'm').exec(text)?.[1]);

t.test('AgentMetrics', async (t) => {
  const metrics = new AgentMetrics();

  await t.test('has the names of stock', async (t) => {
    const text = await metrics.text();
    for (const [name, type] of NAMES)
      t.ok(text.includes(`\n# TYPE istio_agent_${name} ${type}\n`), `${name} ${type}`);
  });

  await t.test('tells what the process is and uses, at each scrape anew', async (t) => {
    const first = await metrics.text();
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 20_000);
    const second = await metrics.text();
    const cpu = valueOf(second, 'process_cpu_seconds_total');
    t.ok(cpu >= valueOf(first, 'process_cpu_seconds_total') + 0.02 && cpu < 60, `${cpu} s`);
    t.ok(Math.abs(valueOf(second, 'process_start_time_seconds') - Date.now() / 1000) < 600);
    const resident = valueOf(second, 'process_resident_memory_bytes');
    t.ok(resident > 10_000_000 && resident < valueOf(second, 'process_virtual_memory_bytes'));
    const open = valueOf(second, 'process_open_fds');
    t.ok(open > 2 && open < valueOf(second, 'process_max_fds'), `${open} files`);
  });
});
