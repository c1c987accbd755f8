// `npm run split -- [N] [url]`: N requests, and which version of reviews answered how many of them.
import { Agent, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { splitText } from './split-table.ts';
import type { Answered } from './split-table.ts';

const USAGE = `usage: npm run split -- [N] [url] [flags]
  N                 requests; default 100
  url               default http://localhost:9080/productpage; also .../api/v1/products/0/reviews, which is lighter
  --user NAME       as somebody who has signed in
  --connections C   at the same time; default 8
`;

const DEFAULT_URL = 'http://localhost:9080/productpage';
const REQUEST_LIMIT_MS = 30_000;
const MAX_REQUESTS = 1_000_000;

interface SplitOptions {
  readonly requests: number;
  readonly url: URL;
  readonly user: string | undefined;
  readonly connections: number;
}

type SplitFlags = SplitOptions | 'help';

function readCount(text: string, what: string, most: number): number {
  const count = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > most)
    throw new Error(`${what}: "${text}" is no number from 1 to ${most}`);
  return count;
}

function readOptions(argv: readonly string[]): SplitFlags {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      user: { type: 'string' },
      connections: { type: 'string', default: '8' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (positionals.length > 2) throw new Error(`too many words: ${positionals.slice(2).join(' ')}`);
  // A url alone, or both in any order.
  const url = positionals.find((word) => word.includes('/')) ?? DEFAULT_URL;
  const count = positionals.find((word) => !word.includes('/')) ?? '100';
  if (!URL.canParse(url) || !url.startsWith('http://'))
    throw new Error(`"${url}" is no http:// URL`);
  return {
    requests: readCount(count, 'N', MAX_REQUESTS),
    url: new URL(url),
    user: values.user,
    connections: readCount(values.connections, '--connections', 256),
  };
}

const textHeader = (response: IncomingMessage, name: string): string | undefined => {
  const value = response.headers[name];
  return typeof value === 'string' ? value : undefined;
};

/** The page says what reviews answered in a header, since it is 200 itself; the reviews API is asked directly. */
function readAnswer(response: IncomingMessage, elapsedMs: number): Answered {
  const status = response.statusCode ?? 0;
  const reviewsStatus = Number(textHeader(response, 'x-bookinfo-reviews-status') ?? status);
  const version =
    textHeader(response, 'x-bookinfo-reviews-version') ??
    (reviewsStatus === status ? textHeader(response, 'x-bookinfo-version') : undefined);
  return { status: status === 200 ? reviewsStatus : status, version, elapsedMs };
}

function ask(options: SplitOptions, agent: Agent): Promise<Answered> {
  const startedMs = performance.now();
  const headers: Record<string, string> =
    options.user === undefined ? {} : { cookie: `user=${options.user}` };
  return new Promise((resolve, reject) => {
    const request = get(options.url, { agent, headers, timeout: REQUEST_LIMIT_MS }, (response) => {
      response.resume();
      response.once('end', () => resolve(readAnswer(response, performance.now() - startedMs)));
      response.once('error', reject);
    });
    request.once('timeout', () =>
      request.destroy(new Error(`no answer within ${REQUEST_LIMIT_MS / 1_000} s`)),
    );
    request.once('error', reject);
  });
}

async function askAll(options: SplitOptions): Promise<Answered[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  const answers: Answered[] = [];
  let asked = 0;
  const worker = async (): Promise<void> => {
    while (asked < options.requests) {
      asked++;
      answers.push(await ask(options, agent));
    }
  };
  try {
    await Promise.all(
      Array.from({ length: Math.min(options.connections, options.requests) }, worker),
    );
  } finally {
    agent.destroy();
  }
  return answers;
}

async function main(): Promise<number> {
  let options: SplitFlags;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${USAGE}split: ${(error as Error).message}\n`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    const answers = await askAll(options);
    process.stdout.write(
      `${answers.length} requests to ${options.url.href}\n${splitText(answers)}`,
    );
    return 0;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === 'ECONNREFUSED'
        ? '; `npm start` prints the address of the page, and must still run'
        : '';
    process.stderr.write(`split: ${options.url.href}: ${message || code}${hint}\n`);
    return 1;
  }
}

process.exitCode = await main();
