// [m] MetricsMerger between scripted scrape targets and a real HTTP response.
import type { RequestListener } from 'node:http';
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { DEFAULT_MERGE_LIMITS, MetricsMerger } from '../../../agent/status/metrics-merger.ts';
import type { MergeLimits } from '../../../agent/status/metrics-merger.ts';
import { captureLog } from '../../support/captured-log.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { ask, freePort, serveHttp } from '../../support/test-http.ts';
import type { Reply } from '../../support/test-http.ts';

interface Inputs {
  readonly proxy?: RequestListener | number;
  readonly app?: RequestListener | number;
  readonly limits?: Partial<MergeLimits>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

interface Outcome {
  readonly reply: Reply;
  readonly lines: string[];
}

const respond =
  (body: string, type = 'text/plain'): RequestListener =>
  (_, response) => {
    response.setHeader('content-type', type);
    response.end(body);
  };

async function scrape(t: Teardowns, inputs: Inputs): Promise<Outcome> {
  const endpoint = async (target: RequestListener | number | undefined, path: string) =>
    target === undefined
      ? undefined
      : {
          host: '127.0.0.1',
          path,
          port: typeof target === 'number' ? target : await serveHttp(t, target),
        };
  const { logger, lines } = captureLog();
  const merger = new MetricsMerger({
    metrics: new AgentMetrics(),
    proxy: await endpoint(inputs.proxy, '/stats/prometheus'),
    app: await endpoint(inputs.app, '/metrics'),
    logger,
    limits: { ...DEFAULT_MERGE_LIMITS, ...inputs.limits },
  });
  const port = await serveHttp(t, (request, response) => {
    const query = /\?.*$/.exec(request.url ?? '')?.[0] ?? '';
    const timeoutSeconds = request.headers['x-prometheus-scrape-timeout-seconds'] as
      | string
      | undefined;
    void merger.scrape({ query, accept: request.headers.accept, timeoutSeconds }, response);
  });
  return {
    reply: await ask(port, 'GET', inputs.path ?? '/stats/prometheus', inputs.headers),
    lines,
  };
}

t.test('MetricsMerger', (t) => {
  t.test('writes agent, proxy and app, in this order', async (t) => {
    const { reply } = await scrape(t, { proxy: respond('envoy_x 1\n'), app: respond('app_y 2') });
    t.equal(reply.status, 200);
    t.equal(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    t.match(reply.body, /istio_agent_scrapes_total 1\n[^]*\nenvoy_x 1\napp_y 2\n$/);
  });

  t.test('answers with what there is when a part fails, and counts the failure', async (t) => {
    const { reply, lines } = await scrape(t, {
      proxy: await freePort(),
      app: (_, response) => response.writeHead(503).end(),
    });
    t.equal(reply.status, 200);
    t.match(reply.body, 'istio_agent_scrape_failures_total{type="envoy"} 1');
    t.match(reply.body, 'istio_agent_scrape_failures_total{type="application"} 1');
    t.strictSame(lines.map((line) => line.replace(/: .*/, '')).sort(), [
      'warning failed to scrape application metrics',
      'warning failed to scrape envoy metrics',
    ]);
  });

  t.test('cuts an app that says too much, at the end of a line', async (t) => {
    const { reply } = await scrape(t, {
      app: (_, response) => {
        const timer = setInterval(() => response.write('app_line 1\napp_half'), 1);
        response.on('close', () => clearInterval(timer));
      },
      limits: { maxAppBytes: 1000 },
    });
    t.match(reply.body, /app_line 1\n$/);
    t.ok(reply.body.length < 10_000);
  });

  t.test('does not wait for a silent app longer than the scraper would', async (t) => {
    const { reply, lines } = await scrape(t, {
      proxy: respond('envoy_x 1\n'),
      app: (_, response) => response.write('app_half'),
      headers: { 'x-prometheus-scrape-timeout-seconds': '0.2' },
    });
    t.match(reply.body, /envoy_x 1\n$/);
    t.match(lines, [/application metrics/]);
  });

  t.test('hands on the query to the proxy and Accept to the app', async (t) => {
    const seen: (string | undefined)[] = [];
    const { reply } = await scrape(t, {
      proxy: (request, response) => {
        seen.push(request.url);
        response.end();
      },
      app: (request, response) => {
        seen.push(request.headers.accept);
        response.setHeader(
          'content-type',
          'application/openmetrics-text; version=1.0.0; charset=utf-8',
        );
        response.end('app_y 2\n# EOF\n');
      },
      headers: { accept: 'application/openmetrics-text' },
      path: '/stats/prometheus?usedonly',
    });
    t.strictSame(seen.sort(), ['/stats/prometheus?usedonly', 'application/openmetrics-text']);
    t.equal(
      reply.headers['content-type'],
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    t.ok(reply.body.endsWith('app_y 2\n# EOF\n'));
  });

  t.end();
});
