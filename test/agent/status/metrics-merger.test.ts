// [m] MetricsMerger between scripted scrape targets and a real HTTP response.
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { DEFAULT_MERGE_LIMITS, MetricsMerger } from '../../../agent/status/metrics-merger.ts';
import type { MergeLimits } from '../../../agent/status/metrics-merger.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { freePort } from '../../support/free-port.ts';
import { ask, serveHttp } from '../../support/test-http.ts';
import type { Reply } from '../../support/test-http.ts';

interface Inputs {
  readonly proxy?: RequestListener | number;
  readonly app?: RequestListener | number;
  readonly others?: readonly RequestListener[];
  readonly limits?: Partial<MergeLimits>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

interface Outcome {
  readonly reply: Reply;
  readonly lines: string[];
}

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0';

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
    apps: (
      await Promise.all(
        [inputs.app, ...(inputs.others ?? [])].map((app) => endpoint(app, '/metrics')),
      )
    ).filter((app) => app !== undefined),
    logger,
    limits: { ...DEFAULT_MERGE_LIMITS, ...inputs.limits },
  });
  const port = await serveHttp(t, (request, response) => {
    const query = /\?.*$/.exec(request.url ?? '')?.[0] ?? '';
    const header = (name: string): string | undefined =>
      request.headers[name] as string | undefined;
    const scraped = merger.scrape(
      {
        query,
        accept: header('accept'),
        acceptEncoding: header('accept-encoding'),
        userAgent: header('user-agent'),
        timeoutSeconds: header('x-prometheus-scrape-timeout-seconds'),
      },
      response,
    );
    scraped.catch((error: Error) => lines.push(`scrape failed: ${error.message}`));
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
    t.strictSame(lines.map((line) => line.replace(/ of .*/, '')).sort(), [
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

  t.test('does not wait for ever for a scraper that does not read', async (t) => {
    // More than sockets hold.
    const app = await serveHttp(t, respond('app_line 1\n'.repeat(900_000)));
    const merger = new MetricsMerger({
      metrics: new AgentMetrics(),
      proxy: undefined,
      apps: [{ host: '127.0.0.1', port: app, path: '/metrics' }],
      logger: captureLog().logger,
      limits: DEFAULT_MERGE_LIMITS,
    });
    let ended = false;
    const request = {
      query: '',
      accept: undefined,
      acceptEncoding: undefined,
      userAgent: undefined,
      timeoutSeconds: '1.5',
    };
    const port = await serveHttp(t, (_, response) => {
      void merger.scrape(request, response).then(() => (ended = true));
    });
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    t.teardown(() => socket.destroy());
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually('the scrape is over', () => ended);
  });

  t.test('asks proxy and app as the scraper asks, in formats that can be joined', async (t) => {
    const seen: Record<string, unknown>[] = [];
    const note: RequestListener = ({ url, headers }, response) => {
      const { accept, 'user-agent': agent } = headers;
      seen.push({ url, accept, agent, time: headers['x-prometheus-scrape-timeout-seconds'] });
      response.end();
    };
    await scrape(t, {
      proxy: note,
      app: note,
      headers: {
        accept: 'application/vnd.google.protobuf;q=0.9,application/openmetrics-text;q=0.5',
        'user-agent': 'Prometheus/3.0',
        'x-prometheus-scrape-timeout-seconds': '10',
      },
      path: '/stats/prometheus?usedonly',
    });
    t.strictSame(
      seen.sort((a, b) => String(b['url']).localeCompare(String(a['url']))),
      [
        {
          url: '/stats/prometheus?usedonly',
          accept: 'text/plain; version=0.0.4; charset=utf-8',
          agent: 'Prometheus/3.0',
          time: '8',
        },
        {
          url: '/metrics',
          accept: 'application/openmetrics-text;q=0.5',
          agent: 'Prometheus/3.0',
          time: '8',
        },
      ],
    );
  });

  t.test('is OpenMetrics as a whole where the app speaks it, with one end', async (t) => {
    const { reply, lines } = await scrape(t, {
      proxy: respond('# a comment\n# TYPE envoy_x untyped\nenvoy_x{} 1\n\n'),
      app: respond('# TYPE app_y counter\napp_y_total 2 # {a="b"} 1\n# EOF\n', OPEN_METRICS),
    });
    t.equal(reply.headers['content-type'], `${OPEN_METRICS}; charset=utf-8`);
    t.notOk(reply.body.includes('\n\n'), 'no empty line');
    t.ok(
      reply.body.endsWith(
        '\n# TYPE envoy_x unknown\nenvoy_x{} 1\n# TYPE app_y counter\napp_y_total 2 # {a="b"} 1\n# EOF\n',
      ),
      reply.body.slice(-200),
    );
    t.equal(reply.body.split('# EOF').length, 2);
    t.strictSame(lines, []);
  });

  t.test('joins several apps, as text where they do not agree', async (t) => {
    const open = respond('open_y_total 2 1.5 # {a="b"} 1\n# EOF', OPEN_METRICS);
    const mixed = await scrape(t, { app: open, others: [respond('text_y 3 4'), open] });
    t.equal(mixed.reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    t.ok(mixed.reply.body.endsWith('\nopen_y_total 2 1500\ntext_y 3 4\nopen_y_total 2 1500\n'));
    const agreed = await scrape(t, { app: open, others: [open] });
    const y = 'open_y_total 2 1.5 # {a="b"} 1\n';
    t.ok(agreed.reply.body.endsWith(`\n${y}${y}# EOF\n`));
  });

  t.test('leaves out of a broken page what would break ours, and says what it was', async (t) => {
    for (const [name, page, left] of [
      ['a page of HTML', '<html>\n<body>no</body>\n</html>\n', ''],
      ['JSON', '{"ok":true}', ''],
      ['a broken line', 'a 1\nb{x="y} 2\nc 3\n', 'a 1\nc 3\n'],
      ['a label twice', 'a{x="1",x="2"} 1\nb 2', 'b 2\n'],
      [
        'what is no UTF-8',
        Buffer.from('a{x="\xff"} 1\nb{x="\xc3\xa4"} 2\n', 'latin1'),
        'b{x="ä"} 2\n',
      ],
      ['a zero byte', 'a 1\0\nb 2\n', 'b 2\n'],
      ['binary', Buffer.from([0, 1, 2, 10, 255, 254, 10]), ''],
      ['types that are none', '# TYPE a metre\na 1\n', 'a 1\n'],
    ] as const) {
      const { reply, lines } = await scrape(t, {
        app: (_, response) => response.end(page),
        proxy: respond('envoy_x 1\n'),
      });
      t.equal(reply.body.slice(reply.body.indexOf('\nenvoy_x 1\n') + 11), left, name);
      t.match(lines, [
        /application metrics of port \d+ \/metrics: \d lines are no metrics, the first is line \d: "/,
      ]);
      t.match(reply.status, 200);
    }
    const windows = await scrape(t, { app: respond('a 1\r\n  b 2 \r\n') });
    t.ok(windows.reply.body.endsWith('\na 1\nb 2\n'), 'but for the ends of its lines');
    t.strictSame(windows.lines, []);
  });

  t.test('does not follow a line without end', async (t) => {
    const { reply, lines } = await scrape(t, {
      app: (_, response) => {
        const timer = setInterval(() => response.write('x'.repeat(100_000)), 1);
        response.on('close', () => clearInterval(timer));
      },
    });
    t.equal(reply.status, 200);
    t.match(lines, [/has a line longer than 262144 bytes/]);
  });

  t.test('speaks gzip where the scraper does, and where the app cannot help it', async (t) => {
    const page = `app_y{x="${'z'.repeat(100)}"} 2\n`.repeat(1000);
    const app: RequestListener = (_, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(page));
    };
    const plain = await scrape(t, { app });
    t.ok(plain.reply.body.endsWith(page));
    const { reply } = await scrape(t, { app, headers: { 'accept-encoding': 'gzip' } });
    t.equal(reply.headers['content-encoding'], 'gzip');
    t.ok(reply.bytes.length < page.length / 10);
    t.ok(gunzipSync(reply.bytes).toString().endsWith(page));
  });

  t.test('is bounded by what a compressed page becomes', async (t) => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, 'a 1\n'));
    const { reply, lines } = await scrape(t, {
      app: (_, response) => {
        response.setHeader('content-encoding', 'gzip');
        response.end(bomb);
      },
      limits: { maxAppBytes: 1_000_000 },
    });
    t.ok(reply.body.length < 1_100_000);
    t.match(lines, [/longer than 1000000 bytes/]);
    const broken = await scrape(t, {
      app: (_, response) => {
        response.setHeader('content-encoding', 'gzip');
        response.end('no gzip');
      },
    });
    t.equal(broken.reply.status, 200);
    t.match(broken.lines, [/application metrics/]);
  });

  t.test('copes with apps that end in odd ways', async (t) => {
    for (const [name, app, kept] of [
      [
        'resets',
        (_, response) => {
          response.write('app_y 1\n', () => response.socket?.resetAndDestroy());
        },
        /app_y 1\n$/,
      ],
      [
        'cuts its body',
        (_, response) => {
          response.setHeader('content-length', 100);
          response.write('app_y 1\napp_h', () => response.destroy());
        },
        /app_y 1\n$/,
      ],
      ['answers what is no HTTP', (request) => request.socket.end('nonsense\r\n\r\n'), /./],
      ['redirects', (_, response) => response.writeHead(302, { location: '/x' }).end(), /./],
      ['has no body', (_, response) => response.writeHead(204).end(), /./],
    ] as readonly (readonly [string, RequestListener, RegExp])[]) {
      const { reply, lines } = await scrape(t, { app });
      t.equal(reply.status, 200, name);
      t.match(reply.body, kept, name);
      t.match(lines, [/failed to scrape application metrics/], name);
    }
  });

  t.end();
});
