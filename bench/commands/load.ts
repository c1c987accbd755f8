// `npm run bench -- load http://host:port`: an open loop against something that already runs, a deployed sidecar, say.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { commitName, thisMachine } from '../load/machine.ts';
import { RequestLoad } from '../load/request-load.ts';
import type { LoadReply, LoadRequest } from '../load/request-load.ts';
import { UsageError, readCount, readNumber } from './options.ts';
import { ROOT, print } from './session.ts';

const PROGRESS_MS = 1_000;

interface LoadOptions extends LoadRequest {
  readonly jsonPath: string | undefined;
}

function readHeader(text: string): readonly [string, string] {
  const at = text.indexOf(':');
  if (at < 1 || /[\r\n]/.test(text))
    throw new UsageError(`--header: "${text}" is no "name: value"`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function readLoadOptions(argv: readonly string[]): LoadOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      rps: { type: 'string', default: '1000' },
      duration: { type: 'string', default: '10' },
      connections: { type: 'string', default: '32' },
      method: { type: 'string', default: 'GET' },
      header: { type: 'string', multiple: true, default: [] },
      'body-bytes': { type: 'string', default: '0' },
      saturate: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const [url, ...more] = positionals;
  if (url === undefined || more.length > 0 || !URL.canParse(url) || !url.startsWith('http://'))
    throw new UsageError('load takes one address of the form http://host:port/path');
  if (!/^[A-Z]{1,20}$/.test(values.method))
    throw new UsageError(`--method: "${values.method}" is no method`);
  return {
    url,
    rps: values.saturate ? undefined : readNumber(values.rps, '--rps', 1),
    durationMs: readNumber(values.duration, '--duration', 1) * 1_000,
    connections: readCount(values.connections, '--connections', 1),
    method: values.method,
    headers: values.header.map(readHeader),
    bodyBytes: readCount(values['body-bytes'], '--body-bytes', 0),
    jsonPath: values.json,
  };
}

const ms = (us: number): string => (Number.isNaN(us) ? '–' : `${(us / 1_000).toFixed(2)} ms`);

function replyLine(reply: LoadReply): string {
  const rate = ((reply.requests * 1_000) / reply.elapsedMs).toFixed(0);
  return `${(reply.elapsedMs / 1_000).toFixed(0)} s: ${reply.requests} answers, ${rate}/s, ${reply.failures} failures; p50 ${ms(reply.p50Us)}, p99 ${ms(reply.p99Us)}, most ${ms(reply.maxUs)}`;
}

function summary(reply: LoadReply, request: LoadRequest): string {
  const rate = ((reply.requests * 1_000) / reply.elapsedMs).toFixed(1);
  const lines = [
    `${reply.requests} answers in ${(reply.elapsedMs / 1_000).toFixed(1)} s (${rate}/s), ${reply.failures} failures, ${reply.connectFailures} connections refused`,
    request.rps === undefined
      ? 'closed loop: a slow server is asked less, and its latencies look better than users see them'
      : 'latency from when a request fell due, so waiting for a free connection is in it',
    `mean ${ms(reply.meanUs)}   p50 ${ms(reply.p50Us)}   p90 ${ms(reply.p90Us)}   p99 ${ms(reply.p99Us)}   p99.9 ${ms(reply.p999Us)}   most ${ms(reply.maxUs)}`,
  ];
  if (request.rps !== undefined && reply.lagP99Us > 5_000)
    lines.push(
      `WARNING: this generator itself was late (p99 ${ms(reply.lagP99Us)}): use a machine with idle CPUs, or a lower rate`,
    );
  return lines.join('\n');
}

export async function loadCommand(argv: readonly string[]): Promise<number> {
  const options = readLoadOptions(argv);
  const load = new RequestLoad(options);
  const timer = setInterval(() => {
    process.stderr.write(`${replyLine(load.progress())}\n`);
  }, PROGRESS_MS);
  const interrupt = (): void => load.stop();
  process.once('SIGINT', interrupt);
  const reply = await load.run();
  process.off('SIGINT', interrupt);
  clearInterval(timer);
  print(summary(reply, options));
  if (options.jsonPath !== undefined) {
    const { jsonPath, ...request } = options;
    const commit = commitName(ROOT);
    const when = new Date().toISOString();
    mkdirSync(dirname(jsonPath), { recursive: true });
    const file = { format: 'load-1', when, commit, machine: thisMachine(), request, reply };
    writeFileSync(jsonPath, `${JSON.stringify(file, null, 1)}\n`);
    print(`written to ${jsonPath}`);
  }
  return reply.failures + reply.connectFailures > 0 || reply.requests === 0 ? 1 : 0;
}
