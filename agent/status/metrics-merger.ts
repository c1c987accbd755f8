// [m] MetricsMerger: agent, proxy and app in one scrape, each bounded in size and time (istio-contract §6.7).
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

import type { Logger } from '../../proxy/base/logger.ts';
import type { AgentMetrics, ScrapePart } from '../agent-metrics.ts';
import { openHttp } from '../http-client.ts';
import { ExpositionFilter } from './exposition-filter.ts';
import type { MetricsFormat } from './exposition-line.ts';
import { TEXT_TYPE, acceptOfApp, commonFormat, formatOf, takesGzip } from './scrape-formats.ts';
import type { PageFormat } from './scrape-formats.ts';
import { ScrapeSink } from './scrape-sink.ts';
import type { ScrapeResponse } from './scrape-sink.ts';

export interface ScrapeEndpoint {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface MetricsMergerParts {
  readonly metrics: AgentMetrics;
  /** Undefined: not merged. */
  readonly proxy: ScrapeEndpoint | undefined;
  readonly apps: readonly ScrapeEndpoint[];
  readonly logger: Logger;
  readonly limits: MergeLimits;
}

export interface MergeLimits {
  readonly maxProxyBytes: number;
  /** For each app. */
  readonly maxAppBytes: number;
  /** For one whole scrape, where the caller names no other. */
  readonly timeoutMs: number;
}

/** App: as stock. Proxy: a mesh of ten thousand clusters stays below it. */
export const DEFAULT_MERGE_LIMITS: MergeLimits = {
  maxProxyBytes: 268_435_456,
  maxAppBytes: 10_485_760,
  timeoutMs: 10_000,
};

export interface ScrapeRequest {
  /** With its `?`, or empty; goes to the proxy. */
  readonly query: string;
  readonly accept: string | undefined;
  readonly acceptEncoding: string | undefined;
  readonly userAgent: string | undefined;
  /** X-Prometheus-Scrape-Timeout-Seconds. */
  readonly timeoutSeconds: string | undefined;
}

interface Page extends PageFormat {
  readonly part: ScrapePart;
  readonly endpoint: ScrapeEndpoint;
  readonly body: Readable;
  close(): void;
}

interface Asked {
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

const MAX_TIMEOUT_MS = 300_000;
/** The scraper gives up at its own timeout, with all that it has by then: sources must be given up before. */
const SHARE_OF_TIMEOUT = 0.8;
/** And then to read what is left. */
const LAST_BYTES_MS = 1000;
const NEWLINE = 0x0a;

function timeoutMsOf(request: ScrapeRequest, fallbackMs: number): number {
  const text = request.timeoutSeconds;
  if (text === undefined || !/^[0-9]{1,6}(?:\.[0-9]{1,9})?$/.test(text)) return fallbackMs;
  return Math.ceil(Math.min(Math.max(Number(text) * 1000, 1), MAX_TIMEOUT_MS) * SHARE_OF_TIMEOUT);
}

function headersFor(
  request: ScrapeRequest,
  accept: string,
  timeoutMs: number,
): OutgoingHttpHeaders {
  return {
    accept,
    ...(request.userAgent === undefined ? {} : { 'user-agent': request.userAgent }),
    'x-prometheus-scrape-timeout-seconds': String(timeoutMs / 1000),
  };
}

/** Copies whole lines only: a cut or broken source must not leave half a line before the next part. */
async function copyLines(source: Readable, sink: ScrapeSink, maxBytes: number): Promise<void> {
  let rest: Buffer[] = [];
  let copied = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    copied += chunk.length;
    if (copied > maxBytes) throw new Error(`longer than ${maxBytes} bytes`);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest.push(chunk);
      continue;
    }
    for (const piece of rest) await sink.write(piece);
    await sink.write(chunk.subarray(0, end));
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  }
  for (const piece of rest) await sink.write(piece);
  if (rest.length > 0) await sink.write('\n');
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** As `copyLines`, of what the scraper's parser will take. */
async function copyChecked(
  page: Page,
  sink: ScrapeSink,
  to: MetricsFormat,
  maxBytes: number,
): Promise<void> {
  const filter = new ExpositionFilter(page.format, to);
  let copied = 0;
  for await (const chunk of page.body as AsyncIterable<Buffer>) {
    copied += chunk.length;
    if (copied > maxBytes) throw new Error(`longer than ${maxBytes} bytes`);
    await sink.write(filter.push(chunk));
    // Lines cost time, and nothing above waits for the event loop where all of a page is here already: names and probes have their turn.
    await nextTurn();
  }
  await sink.write(filter.finish());
  const { leftOut } = filter;
  if (leftOut === undefined) return;
  const { count, line, excerpt } = leftOut;
  throw new Error(`${count} lines are no metrics, the first is line ${line}: ${excerpt}`);
}

export class MetricsMerger {
  readonly #parts: MetricsMergerParts;
  /** So that the log tells of what is new, not of every scrape. */
  readonly #told = new Map<string, string>();

  constructor(parts: MetricsMergerParts) {
    this.#parts = parts;
  }

  /** Always answers 200; a part that fails is counted and left out from there on. */
  async scrape(request: ScrapeRequest, response: ScrapeResponse): Promise<void> {
    const { metrics, proxy, apps, limits } = this.#parts;
    metrics.scrapes.inc();
    const timeoutMs = timeoutMsOf(request, limits.timeoutMs);
    const signal = AbortSignal.timeout(timeoutMs);
    // Who does not read must not keep a page for ever, nor the connections that it comes from.
    const patience = setTimeout(
      () => response.destroy(),
      timeoutMs / SHARE_OF_TIMEOUT + LAST_BYTES_MS,
    );
    response.once('close', () => clearTimeout(patience));
    const asked = (accept: string): Asked => ({
      headers: headersFor(request, accept, timeoutMs),
      signal,
      timeoutMs,
    });
    const appAsked = asked(acceptOfApp(request.accept));
    const proxyPage =
      proxy === undefined
        ? undefined
        : this.#open('envoy', { ...proxy, path: proxy.path + request.query }, asked(TEXT_TYPE));
    const pages = (
      await Promise.all([proxyPage, ...apps.map((app) => this.#open('application', app, appAsked))])
    ).filter((page) => page !== undefined);
    const { format, contentType } = commonFormat(pages.filter(({ part }) => part !== 'envoy'));
    const sink = new ScrapeSink(response);
    sink.begin(contentType, takesGzip(request.acceptEncoding));
    await this.#part('agent', 'agent', async () => {
      const filter = new ExpositionFilter('text', format);
      await sink.write(filter.push(Buffer.from(await metrics.text())));
    });
    // The proxy first: an app may be slow.
    for (const page of pages) {
      await this.#part(page.part, nameOf(page.endpoint), () => this.#copy(page, sink, format));
      page.close();
    }
    if (format === 'openmetrics') await sink.write('# EOF\n').catch(() => {});
    sink.end();
  }

  #copy(page: Page, sink: ScrapeSink, to: MetricsFormat): Promise<void> {
    const { maxProxyBytes, maxAppBytes } = this.#parts.limits;
    if (page.part !== 'envoy') return copyChecked(page, sink, to, maxAppBytes);
    // Ours; and it can be long.
    return to === 'text'
      ? copyLines(page.body, sink, maxProxyBytes)
      : copyChecked(page, sink, to, maxProxyBytes);
  }

  async #open(part: ScrapePart, endpoint: ScrapeEndpoint, asked: Asked): Promise<Page | undefined> {
    let page: Page | undefined;
    await this.#part(part, nameOf(endpoint), async () => {
      const answer = await openHttp({ ...endpoint, ...asked, method: 'GET' });
      // A failure while another part is being copied must not go unheard.
      answer.on('error', () => {});
      if (answer.statusCode !== 200) {
        answer.destroy();
        throw new Error(`answered ${answer.statusCode}`);
      }
      const body = decoded(answer);
      const close = (): void => {
        answer.destroy();
        body.destroy();
      };
      page = { ...formatOf(answer.headers['content-type']), part, endpoint, body, close };
    });
    return page;
  }

  /** `source` tells one app from another. */
  async #part(part: ScrapePart, source: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#parts.metrics.scrapeFailed(part);
      const { message } = error as Error;
      if (this.#told.get(source) === message) return;
      this.#told.set(source, message);
      this.#parts.logger.warn(`failed to scrape ${part} metrics of ${source}: ${message}`);
    }
  }
}

const nameOf = ({ port, path }: ScrapeEndpoint): string => `port ${port} ${path.split('?', 1)[0]}`;

/** Nobody asked for a compressed body, and some apps send one all the same. */
function decoded(answer: IncomingMessage): Readable {
  const coding = answer.headers['content-encoding'] ?? 'identity';
  if (coding === 'identity') return answer;
  if (coding !== 'gzip') {
    answer.destroy();
    throw new Error('is compressed in a way that was not asked for');
  }
  const gunzip = process.getBuiltinModule('node:zlib').createGunzip();
  gunzip.on('error', () => {});
  answer.on('error', (error: Error) => gunzip.destroy(error));
  return answer.pipe(gunzip);
}
