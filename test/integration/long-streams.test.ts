// @long @timeout 90 s
// A gRPC call that outlives what happens to its listener: new routes, filters and log formats, which come under it (docs/adr/0015-updates-in-place.md),
// and a drain of the whole proxy, in which a kept connection is told to go.
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { connect as netConnect } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import { DeltaControlPlane, ADS, adsBootstrap } from '../support/delta-control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyProcess, cluster, filterOf, httpListener } from '../support/proxy-process.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';

t.setTimeout(80_000);

type Json = { readonly [key: string]: unknown };
const raw = (bytes: Buffer): Buffer => bytes;

async function origin(t: Test): Promise<number> {
  const server = new Server();
  const method = {
    path: '/long.Echo/Chat',
    requestStream: true,
    responseStream: true,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
  server.addService(
    { Chat: method },
    {
      Chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (part: Buffer) => call.write(part));
        call.on('end', () => call.end());
        call.on('error', () => {});
      },
    },
  );
  t.teardown(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

interface Version {
  readonly direct: string;
  readonly filters?: readonly Json[];
  readonly format?: string;
}

t.test('Long streams', async (t) => {
  const controlPlane = new DeltaControlPlane();
  t.teardown(() => controlPlane.close());
  const adsPort = await controlPlane.listen();
  const port = await freePort();
  const originPort = await origin(t);

  const listener = ({ direct, filters = [], format = '%RESPONSE_CODE%\n' }: Version): Json => {
    const made = httpListener(
      'l',
      [
        {
          match: { prefix: '/direct' },
          direct_response: { status: 200, body: { inline_string: direct } },
        },
        { match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } },
      ],
      {
        httpFilters: filters,
        hcm: {
          drain_timeout: '1s',
          access_log: [
            {
              name: 'envoy.access_loggers.file',
              typed_config: {
                '@type':
                  'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                path: '/dev/null',
                log_format: { text_format_source: { inline_string: format } },
              },
            },
          ],
        },
      },
    );
    return { ...made, address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  };
  const put = async (version: Version): Promise<void> => {
    const nonce = controlPlane.put('listeners', { name: 'l', json: listener(version) });
    await eventually('it is acknowledged', () => controlPlane.answers.has(nonce));
    t.equal(controlPlane.answers.get(nonce), 'ACK');
  };
  controlPlane.put('clusters', {
    name: 'up',
    json: cluster('up', [originPort], { http2_protocol_options: {} }) as Json,
  });
  controlPlane.put('listeners', { name: 'l', json: listener({ direct: 'one' }) });
  const bootstrap = adsBootstrap(adsPort, []) as { dynamic_resources: Json };
  const proxy = await ProxyProcess.start(t, {
    ...bootstrap,
    dynamic_resources: { ...bootstrap.dynamic_resources, lds_config: ADS },
  });
  const direct = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/direct`)).text();
  await eventually('it serves', async () => (await direct().catch(() => '')) === 'one');

  const grpc = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const call = grpc.makeBidiStreamRequest('/long.Echo/Chat', raw, raw);
  const errors: string[] = [];
  call.on('error', (error) => errors.push(String(error)));
  const echo = async (text: string): Promise<string> => {
    const reply = new Promise<string>((resolve) =>
      call.once('data', (part: Buffer) => resolve(part.toString())),
    );
    call.write(Buffer.from(text));
    return reply;
  };
  t.equal(await echo('before'), 'before');

  const updates: readonly [what: string, version: Version][] = [
    ['routes', { direct: 'two' }],
    [
      'filters',
      {
        direct: 'three',
        filters: [filterOf('envoy.filters.http.cors', 'filters.http.cors.v3.Cors')],
      },
    ],
    ['the format of the log', { direct: 'four', format: '%PROTOCOL% %RESPONSE_CODE%\n' }],
  ];
  for (const [what, version] of updates) {
    await t.test(`survive new ${what}`, async (t) => {
      await put(version);
      await eventually('new requests see it', async () => (await direct()) === version.direct);
      // Longer than the connection manager's drain time-out.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      t.equal(await echo(what), what);
      t.strictSame(errors, []);
    });
  }

  await t.test('are told to go by a drain, and served to their end', async (t) => {
    /** A connection that is kept, and says whether it was closed. */
    const kept = netConnect(port, '127.0.0.1');
    let closed = false;
    let heard = '';
    kept.on('close', () => (closed = true));
    kept.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
    t.teardown(() => kept.destroy());
    const askKept = async (): Promise<void> => {
      heard = '';
      kept.write('GET /direct HTTP/1.1\r\nhost: h\r\n\r\n');
      await eventually('the kept connection is answered', () => heard.includes('\r\n\r\n'));
    };
    await askKept();
    await ask(proxy.adminPort, 'POST', '/drain_listeners?graceful&skip_exit');
    await eventually('the kept connection is told', async () => {
      if (closed) return true;
      await askKept().catch(() => {});
      return /connection: close/i.test(heard);
    });
    for (let i = 0; i < 5; i++) {
      t.equal(await echo(`during ${i}`), `during ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    t.strictSame(errors, []);
    const ended = new Promise((resolve) => call.once('end', resolve));
    call.resume().end();
    await ended;
  });
});
