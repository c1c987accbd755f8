// Listener filters that look at first bytes: real ClientHellos and request lines, cut at every byte, and floods.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import t from 'tap';

import { HttpInspector } from '../../../../proxy/filters/listener/http-inspector.ts';
import type {
  InspectedConnection,
  Inspector,
} from '../../../../proxy/filters/listener/inspector.ts';
import { TlsInspector } from '../../../../proxy/filters/listener/tls-inspector.ts';

const nothing = (): InspectedConnection => ({
  serverName: '',
  transportProtocol: '',
  applicationProtocols: [],
});

/** First bytes that node:tls sends. */
async function clientHello(servername: string, protocols: string[]): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const first = new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes);
        socket.destroy();
      });
    }),
  );
  const { port } = server.address() as AddressInfo;
  const settings = { port, host: '127.0.0.1', ALPNProtocols: protocols, rejectUnauthorized: false };
  const client = connect(servername === '' ? settings : { ...settings, servername });
  client.on('error', () => {});
  const bytes = await first;
  client.destroy();
  server.close();
  return bytes;
}

/** What is found once all bytes are there, and that nothing is said before `decidedAt` bytes. */
function inspect(inspector: Inspector, bytes: Buffer): { found: InspectedConnection; at: number } {
  for (let end = 0; end <= bytes.length; end++) {
    const found = nothing();
    if (inspector.inspect(bytes.subarray(0, end), found) !== 'wait') return { found, at: end };
  }
  return { found: nothing(), at: -1 };
}

/** The same handshake in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const part = hello.subarray(at, at + size);
    parts.push(Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(parts);
}

t.test('TlsInspector', async (t) => {
  const inspector = new TlsInspector();
  const hello = await clientHello('Reviews.Example.com', ['istio', 'h2', 'http/1.1']);
  const expected = {
    serverName: 'reviews.example.com',
    transportProtocol: 'tls',
    applicationProtocols: ['istio', 'h2', 'http/1.1'],
  };

  t.test('finds SNI and ALPN, however the bytes are cut', (t) => {
    t.same(inspect(inspector, hello), { found: expected, at: hello.length });
    for (const size of [1, 2, 3, 7, 100, 1000]) {
      t.same(inspect(inspector, inRecords(hello, size)).found, expected, `records of ${size}`);
    }
    t.end();
  });

  t.test('takes a hello without extensions it knows', async (t) => {
    const plain = await clientHello('', []);
    t.same(inspect(inspector, plain).found, { ...nothing(), transportProtocol: 'tls' });
  });

  t.test('says at once that something is no TLS', (t) => {
    const rows: readonly [string, Buffer][] = [
      ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
      ['another record type', Buffer.from([0x15, 3, 1, 0, 2, 1, 0])],
      ['another version', Buffer.from([0x16, 2, 0, 0, 4, 1, 0, 0, 0])],
      ['a server hello', Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])],
      ['an empty record', Buffer.from([0x16, 3, 1, 0, 0, 0x16, 3, 1, 0, 4])],
      ['a hello over 16 KiB', Buffer.from([0x16, 3, 1, 0x40, 0, 1, 1, 0, 0])],
      [
        'something else after the first record',
        Buffer.concat([inRecords(hello, 10).subarray(0, 15), Buffer.from('GET /')]),
      ],
    ];
    for (const [name, bytes] of rows) {
      t.same(inspect(inspector, bytes).found, nothing(), name);
      t.not(inspect(inspector, bytes).at, -1, name);
    }
    t.end();
  });

  t.test('does not fall over any single changed byte', (t) => {
    for (let at = 0; at < hello.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const changed = Buffer.from(hello);
        changed[at] = value;
        inspector.inspect(changed, nothing());
      }
    }
    t.end();
  });

  t.test('does linear work on a hello in one-byte records', (t) => {
    const body = Buffer.alloc(10_000, 1);
    body.writeUInt32BE(0x01003f00, 0);
    const flood = inRecords(Buffer.concat([Buffer.alloc(5), body]), 1);
    const startMs = performance.now();
    for (let i = 0; i < 100; i++) t.equal(inspector.inspect(flood, nothing()), 'wait');
    // The quadratic version needs seconds for each of these.
    t.ok(performance.now() - startMs < 3000);
    t.end();
  });

  t.test('takes no server name longer than a name can be', (t) => {
    const longHello = (length: number): Buffer => {
      const name = Buffer.alloc(length, 'a.');
      const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
      const list = Buffer.concat([Buffer.from([0]), u16(name.length), name]);
      const extension = Buffer.concat([u16(0), u16(list.length + 2), u16(list.length), list]);
      const rest = Buffer.concat([
        Buffer.alloc(34),
        Buffer.from([0, 0, 2, 0x13, 1, 1, 0]),
        u16(extension.length),
        extension,
      ]);
      const body = Buffer.concat([Buffer.from([1, 0]), u16(rest.length), rest]);
      return Buffer.concat([Buffer.from([0x16, 3, 1]), u16(body.length), body]);
    };
    for (const [length, taken] of [
      [255, 255],
      [256, 0],
      [15_000, 0],
    ] as const) {
      const found = nothing();
      t.equal(inspector.inspect(longHello(length), found), 'done');
      t.equal(found.transportProtocol, 'tls');
      t.equal(found.serverName.length, taken);
    }
    t.end();
  });
});

t.test('HttpInspector', (t) => {
  const inspector = new HttpInspector();
  const rows: readonly [
    name: string,
    bytes: string,
    protocols: readonly string[],
    at: number | 'line' | 'end',
  ][] = [
    ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', ['http/1.1'], 'line'],
    ['HTTP/1.1 ended by LF', 'GET / HTTP/1.1\nHost', ['http/1.1'], 'line'],
    ['HTTP/1.0', 'POST /a HTTP/1.0\r\n', ['http/1.0'], 'line'],
    ['empty lines first', '\r\n\r\nGET / HTTP/1.1\r\n', ['http/1.1'], 'end'],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ['h2c'], 'end'],
    ['a line without a version', 'GET /\r\n', [], 'line'],
    ['bytes that begin no method', '\x16\x03\x01', [], 1],
    ['a method in lower case, as Envoy takes it', 'get / HTTP/1.1\r\n', ['http/1.1'], 'line'],
    ['letters without end', 'A'.repeat(200), [], 65],
  ];
  for (const [name, bytes, protocols, at] of rows) {
    t.test(name, (t) => {
      const result = inspect(inspector, Buffer.from(bytes, 'latin1'));
      t.same(result.found.applicationProtocols, protocols);
      const wanted = at === 'line' ? bytes.indexOf('\n') + 1 : at === 'end' ? bytes.length : at;
      t.equal(result.at, wanted);
      t.end();
    });
  }
  t.test('leaves TLS alone', (t) => {
    const found = { ...nothing(), transportProtocol: 'tls' };
    t.equal(inspector.inspect(Buffer.from('GET / HTTP/1.1\r\n'), found), 'done');
    t.same(found.applicationProtocols, []);
    t.end();
  });
  t.end();
});
