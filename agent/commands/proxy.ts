// [m] `pilot-agent proxy sidecar`: options, logs, signals, and the Agent between them.
import { realTime } from '../../proxy/base/clock.ts';
import { realRandom } from '../../proxy/base/random.ts';
import { Agent } from '../agent.ts';
import type { CommandLine } from '../command-line.ts';
import { createLoggers, lineSink } from '../log-sink.ts';
import { readAgentOptions } from '../options.ts';
import type { Surroundings } from '../surroundings.ts';
import type { CommandOutputs } from './request.ts';

const LEAVE_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The exit code. */
export async function runProxy(
  line: CommandLine,
  host: Surroundings,
  { out, err }: CommandOutputs,
): Promise<number> {
  const result = await readAgentOptions(line, host);
  if (!result.ok) {
    for (const problem of result.problems) err.write(`pilot-agent: ${problem}\n`);
    return 1;
  }
  const { options } = result;
  const nowMs = (): number => realTime.wallMs();
  const loggers = createLoggers(options.log.levels, lineSink(out, options.log.asJson, nowMs));
  const agent = new Agent({
    options,
    loggers,
    time: realTime,
    random: realRandom,
    relayLog: (chunk) => err.write(chunk),
  });
  const log = loggers.get('agent');
  for (const signal of LEAVE_SIGNALS) {
    process.on(signal, () => {
      log.info(`received ${signal}`);
      agent.terminate();
    });
  }
  // The proxy has a process group of its own; without the agent nobody would ever stop it.
  process.on('exit', () => agent.killProxy());
  return agent.run();
}
