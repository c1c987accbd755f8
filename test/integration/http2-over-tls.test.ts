// @timeout 120 s
// HTTP/2 where ALPN chooses it, on both sides: Node, gRPC, curl, h2load and chromium as clients; an upstream that is asked what it speaks.
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerUnaryCall } from '@grpc/grpc-js';
import { execFile } from 'node:child_process';
import { createSecureServer, connect as http2Connect } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import process from 'node:process';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';

import { findProgram } from '../../bench/load/find-program.ts';
import { privateDir } from '../support/private-dir.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { caOf, certificateOf, downstreamTls, upstreamTls } from '../support/tls-samples.ts';

t.setTimeout(110_000);
const run = promisify(execFile);

const root = TestCertificate.root();
const leaf = root.issue({ names: [{ dns: 'localhost' }, { ip: [127, 0, 0, 1] }] });
const serverOptions = { cert: leaf.pem, key: leaf.keyPem };

async function listening(t: Test, server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const raw = (bytes: Buffer): Buffer => bytes;
async function grpcOrigin(t: Test): Promise<number> {
  const server = new Server();
  const method = (path: string, stream: boolean) => ({
    path,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  });
  server.addService(
    { Unary: method('/tls.Echo/Unary', false), Chat: method('/tls.Echo/Chat', true) },
    {
      Unary: (call: ServerUnaryCall<Buffer, Buffer>, done: (e: null, b: Buffer) => void) =>
        done(null, call.request),
      Chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (part: Buffer) => call.write(part));
        call.on('end', () => call.end());
      },
    },
  );
  t.teardown(() => server.forceShutdown());
  const pair = { cert_chain: Buffer.from(leaf.pem), private_key: Buffer.from(leaf.keyPem) };
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

const AUTO = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      auto_config: { http2_protocol_options: {} },
    },
  },
  transport_socket: upstreamTls({ validation_context: caOf(root) }, { sni: 'localhost' }),
};

async function start(t: Test): Promise<ProxyProcess> {
  const h2 = createSecureServer(serverOptions, (request, response) => {
    response.end(`h2 ${request.httpVersion}`);
  });
  const h1 = createHttpsServer(serverOptions, (request, response) => {
    response.end(`h1 ${request.httpVersion}`);
  });
  const [h2Port, h1Port, grpcPort] = [
    await listening(t, h2),
    await listening(t, h1),
    await grpcOrigin(t),
  ];
  const secured = downstreamTls({
    tls_certificates: [certificateOf(leaf)],
    alpn_protocols: ['h2', 'http/1.1'],
  });
  const plain = httpListener('l', [
    { match: { prefix: '/tls.Echo/' }, route: { cluster: 'grpc', timeout: '0s' } },
    { match: { prefix: '/h1' }, route: { cluster: 'h1' } },
    { match: { prefix: '/' }, route: { cluster: 'h2' } },
  ]);
  const [chain] = plain['filter_chains'] as readonly object[];
  return ProxyProcess.start(
    t,
    bootstrapOf(
      [{ ...plain, filter_chains: [{ ...chain, transport_socket: secured }] }],
      [
        cluster('h2', [h2Port], AUTO),
        cluster('h1', [h1Port], AUTO),
        cluster('grpc', [grpcPort], AUTO),
      ],
    ),
  );
}

t.test('HTTP/2 over TLS', async (t) => {
  const proxy = await start(t);
  const port = proxy.port('l');
  const url = `https://localhost:${port}`;
  const dir = privateDir(t);

  await t.test("Node's client; the upstream is HTTP/2 or HTTP/1, as it says", async (t) => {
    const session = http2Connect(`https://127.0.0.1:${port}`, {
      ca: root.pem,
      servername: 'localhost',
    });
    t.teardown(() => session.destroy());
    const ask = async (path: string): Promise<string> => {
      const stream = session.request({ ':path': path });
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      return text;
    };
    t.equal(await ask('/'), 'h2 2.0');
    t.equal(await ask('/h1'), 'h1 1.1');
    const many = await Promise.all(Array.from({ length: 100 }, () => ask('/')));
    t.ok(many.every((text) => text === 'h2 2.0'));
    t.equal(await proxy.stat('cluster.h2.upstream_cx_http2_total'), 1);
    t.ok((await proxy.stat('cluster.h1.upstream_cx_http1_total')) >= 1);
  });

  await t.test('gRPC, with TLS on both sides', async (t) => {
    const grpc = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(root.pem)));
    t.teardown(() => grpc.close());
    const reply = await new Promise<Buffer>((resolve, reject) =>
      grpc.makeUnaryRequest('/tls.Echo/Unary', raw, raw, Buffer.from('hi'), (error, got) =>
        error === null ? resolve(got!) : reject(error as Error),
      ),
    );
    t.equal(String(reply), 'hi');
    const call = grpc.makeBidiStreamRequest('/tls.Echo/Chat', raw, raw);
    for (let i = 0; i < 10; i++) {
      const echoed = new Promise<string>((resolve) =>
        call.once('data', (part: Buffer) => resolve(part.toString())),
      );
      call.write(Buffer.alloc(20_000, String(i)));
      t.equal((await echoed).length, 20_000);
    }
    call.end();
  });

  const h2load = findProgram('h2load', process.env);
  await t.test('h2load', { skip: h2load === undefined && 'h2load is not installed' }, async (t) => {
    const { stdout } = await run(h2load!, [
      '-n',
      '2000',
      '-c',
      '4',
      '-m',
      '16',
      `https://127.0.0.1:${port}/`,
    ]);
    t.match(stdout, /2000 succeeded, 0 failed/);
    t.match(stdout, /Application protocol: h2/);
  });

  const curl = findProgram('curl', process.env);
  await t.test('curl', { skip: curl === undefined && 'curl is not installed' }, async (t) => {
    const { stdout } = await run(curl!, ['-sk', '--http2', '-w', ' %{http_version}', url]);
    t.equal(stdout, 'h2 2.0 2');
    const old = await run(curl!, ['-sk', '--http1.1', '-w', ' %{http_version}', url]);
    t.equal(old.stdout, 'h2 2.0 1.1');
  });

  const chromium = findProgram('chromium', process.env);
  await t.test(
    'chromium',
    { skip: chromium === undefined && 'chromium is not installed' },
    async (t) => {
      const seen = (await proxy.log(1)).length;
      const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors'];
      const { stdout } = await run(
        chromium!,
        [...flags, `--user-data-dir=${dir}`, '--dump-dom', `${url}/page`],
        { timeout: 60_000 },
      );
      t.match(stdout, /h2 2\.0/);
      t.match(await proxy.logLine(seen, /^HTTP\/2 GET 200/), /^HTTP\/2 GET 200/);
    },
  );
});
