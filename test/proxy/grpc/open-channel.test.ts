// Channels by target: names with several addresses, TLS with roots, name and identity as given; and calls with one answer.
import { createSecureServer, createServer } from 'node:http2';
import type {
  Http2SecureServer,
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { GrpcThread } from '../../../proxy/grpc/grpc-thread.ts';
import { openChannel } from '../../../proxy/grpc/open-channel.ts';
import { callOnce } from '../../../proxy/grpc/unary-call.ts';
import type { UnaryAnswer } from '../../../proxy/grpc/unary-call.ts';
import type { ClientTls } from '../../../xds-protos/grpc-channel.ts';
import { TestCertificate } from '../../support/test-certificates.ts';
import { unaryGrpcServer } from '../../support/unary-grpc-server.ts';

const LIMIT_MS = 20_000;

async function listen(t: Test, server: Http2Server | Http2SecureServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

interface Asked {
  readonly target: string;
  readonly tls?: ClientTls;
  readonly timeoutMs?: number;
}

async function ask(t: Test, { target, tls, timeoutMs = LIMIT_MS }: Asked): Promise<UnaryAnswer> {
  const thread = new GrpcThread(realTime);
  const channel = openChannel(thread, { target, tls, maxMessageBytes: 1000 });
  t.teardown(() => channel.close());
  const message = Buffer.from('question');
  const call = { path: '/test.One/Call', metadata: new Map([['x-a', 'b']]), message, timeoutMs };
  return callOnce(channel, call, realTime);
}

t.test('a call', async (t) => {
  const rows: readonly [
    string,
    Parameters<typeof unaryGrpcServer>[0],
    number | undefined,
    object,
  ][] = [
    [
      'is answered',
      ({ message }) => ({ message: Buffer.from(`to ${message}`) }),
      undefined,
      { ok: true, message: Buffer.from('to question') },
    ],
    [
      'has the status it ends with',
      () => ({ grpcStatus: '7' }),
      undefined,
      { status: { code: 7 } },
    ],
    ['ends badly without an answer', () => ({}), undefined, { status: { code: 13 } }],
    [
      'has a bound on its answer',
      () => ({ message: Buffer.alloc(1001) }),
      undefined,
      { status: { code: 8 } },
    ],
    [
      'is waited for so long and no longer',
      () => 'silence',
      100,
      { status: { code: 4, reason: /within 100 ms/ } },
    ],
  ];
  for (const [name, answer, timeoutMs, expected] of rows) {
    await t.test(name, async (t) => {
      let timeout: unknown;
      const port = await listen(
        t,
        unaryGrpcServer((call) => {
          timeout = call.headers['grpc-timeout'];
          return answer(call);
        }),
      );
      const target = `127.0.0.1:${port}`;
      t.match(await ask(t, { target, ...(timeoutMs !== undefined && { timeoutMs }) }), expected);
      t.equal(timeout, `${timeoutMs ?? LIMIT_MS}m`);
    });
  }
});

t.test('a name is tried by all its addresses', async (t) => {
  // On most machines `localhost` is ::1 first, where nobody listens.
  const port = await listen(
    t,
    unaryGrpcServer(({ headers }) => ({ message: Buffer.from(String(headers[':authority'])) })),
  );
  t.match(await ask(t, { target: `localhost:${port}` }), {
    ok: true,
    message: Buffer.from(`localhost:${port}`),
  });
  const closed = createServer();
  const closedPort = await listen(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  t.match(await ask(t, { target: `localhost:${closedPort}` }), {
    status: { code: 14, reason: /Connection refused/ },
  });
  t.match(await ask(t, { target: 'nobody.invalid:1' }), {
    status: { code: 14, reason: /'nobody.invalid' cannot be resolved/ },
  });
});

t.test('TLS', async (t) => {
  const root = TestCertificate.root();
  const leaf = root.issue({ names: [{ dns: 'istiod.here.svc' }, { ip: [127, 0, 0, 1] }] });
  const client = root.issue({ names: [{ uri: 'spiffe://td/ns/a/sa/b' }] });
  const stranger = TestCertificate.root();
  const server = createSecureServer({
    cert: leaf.pem,
    key: leaf.keyPem,
    ca: root.pem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const socket = stream.session?.socket as TLSSocket;
    const { servername, authorized } = socket;
    const names = String(socket.getPeerCertificate().subjectaltname);
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    const text = [headers[':scheme'], servername, authorized, names].join(' ');
    stream.end(Buffer.concat([Buffer.of(0, 0, 0, 0, text.length), Buffer.from(text)]));
  });
  server.on('sessionError', () => {});
  const target = `127.0.0.1:${await listen(t, server)}`;
  const trusting = { rootPem: root.pem, identity: undefined, serverName: undefined };
  const identity = { chainPem: client.pem, keyPem: client.keyPem };
  const rows: readonly (readonly [string, ClientTls, RegExp | string])[] = [
    ['an address in the certificate', trusting, 'https false false undefined'],
    [
      'a name in the certificate',
      { ...trusting, serverName: 'istiod.here.svc' },
      'https istiod.here.svc false undefined',
    ],
    [
      'an identity is shown',
      { ...trusting, identity },
      'https false true URI:spiffe://td/ns/a/sa/b',
    ],
    [
      'another name',
      { ...trusting, serverName: 'istiod.there.svc' },
      /verify cert failed: .*istiod\.there\.svc/,
    ],
    [
      'another address',
      { ...trusting, serverName: '127.0.0.2' },
      /verify cert failed: .*127\.0\.0\.2/,
    ],
    ['other roots', { ...trusting, rootPem: stranger.pem }, /verify cert failed/],
  ];
  for (const [name, tls, expected] of rows) {
    const answer = await ask(t, { target, tls });
    if (typeof expected === 'string')
      t.equal(answer.ok && Buffer.from(answer.message).toString(), expected, name);
    else t.match(answer, { ok: false, status: { code: 14, reason: expected } }, name);
  }
  const broken = { chainPem: client.pem, keyPem: leaf.keyPem };
  await t.rejects(
    ask(t, { target, tls: { ...trusting, identity: broken } }),
    /Failed to load TLS certificates/,
    'a key that is another’s',
  );
  await t.rejects(ask(t, { target, tls: { ...trusting, rootPem: 'nothing' } }), /trusted CA/);
});
