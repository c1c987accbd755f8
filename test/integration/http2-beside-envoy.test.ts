// Ours and the real Envoy, the same frames to both: what the client gets, what the upstream got, what the log says. Skips
// where no Envoy is found (ENVOY_BIN).
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import t from 'tap';

import {
  FrameLog,
  GET,
  POST,
  PREFACE,
  block,
  continuation,
  data,
  frame,
  goAway,
  headers,
  ping,
  priority,
  reset,
  settings,
  windowUpdate,
} from '../support/http2-frames.ts';
import type { Lines } from '../support/http2-frames.ts';
import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  httpListener,
} from '../support/proxy-process.ts';

t.setTimeout(120_000);

/** Where we answer otherwise on purpose, and why. */
const declared: ReadonlyMap<string, string> = new Map([
  [
    'a stream below the last',
    'Envoy leaves the request without an answer; RFC 9113 §5.1.1 ends the connection, and so the client knows',
  ],
  [
    'a window update of 0',
    'RFC 9113 §6.9 lets it cost the stream; Envoy ends the connection without a word',
  ],
]);

/** Silence that ends a conversation; Envoy closes a second after a breach. */
const QUIET_MS = 1500;

const request = (lines: Lines, pseudo: Readonly<Record<string, string>>, ...more: Lines): Lines => [
  ...lines
    .map(([name, value]) => [name, pseudo[name] ?? value] as const)
    .filter(([name]) => pseudo[name] !== ''),
  ...more,
];
const get = (pseudo: Readonly<Record<string, string>>, ...more: Lines): Lines =>
  request(GET, pseudo, ...more);
const post = (...more: Lines): Buffer =>
  headers(1, request(POST, { ':path': '/wait' }, ...more), 4);
const repeat = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

const rows: readonly [what: string, frames: readonly Buffer[]][] = [
  ['a request', [headers(1, GET)]],
  ['two requests', [headers(1, GET), headers(3, get({ ':path': '/direct' }))]],
  ['a body', [post(), data(1, 'abc', 1)]],
  ['a body and trailers', [post(), data(1, 'abc'), headers(1, [['a', 'b']])]],
  ['empty trailers', [post(), headers(1, [])]],
  ['a path with a byte above 127', [headers(1, get({ ':path': '/\xe9' }))]],
  ['a path with quotes', [headers(1, get({ ':path': '/"<>' }))]],
  ['a path with a fragment', [headers(1, get({ ':path': '/x#y' }))]],
  ['a value with blanks around it', [headers(1, get({}, ['a', ' b ']))]],
  ['a value with a tab', [headers(1, get({}, ['a', 'b\tc']))]],
  ['a scheme in upper case', [headers(1, get({ ':scheme': 'HTTP' }))]],
  ['another scheme', [headers(1, get({ ':scheme': 'ftp' }))]],
  ['an authority with a percent sign', [headers(1, get({ ':authority': 'h%41' }))]],
  ['host in place of :authority', [headers(1, get({ ':authority': '' }, ['host', 'x']))]],
  ['host beside :authority', [headers(1, get({}, ['host', 'x']))]],
  [
    'crumbs of cookies, some empty',
    [headers(1, get({}, ['cookie', ''], ['cookie', 'a=1'], ['cookie', 'b=2']))],
  ],
  ['underscores', [headers(1, get({}, ['a_b', 'c']))]],
  ['OPTIONS *', [headers(1, get({ ':method': 'OPTIONS', ':path': '*' }))]],
  ['HEAD', [headers(1, get({ ':method': 'HEAD' }))]],
  ['a method nobody knows', [headers(1, get({ ':method': 'FROB', ':path': '/direct' }))]],
  ['Expect: 100-continue', [post(['expect', '100-continue']), data(1, 'abc', 1)]],
  ['an early answer', [headers(1, request(POST, { ':path': '/direct' }), 4)]],
  [
    'CONNECT without a route',
    [
      headers(
        1,
        [
          [':method', 'CONNECT'],
          [':authority', 'h:1'],
        ],
        4,
      ),
    ],
  ],
  [
    'too many header lines',
    [headers(1, get({}, ...Array.from({ length: 101 }, (_, i) => [`a${i}`, 'b'] as const)))],
  ],
  [
    'too large a header list',
    [
      headers(1, block(get({}, ['a', 'b'.repeat(10_000)])), 1),
      ...Array.from({ length: 6 }, (_, i) =>
        continuation(1, block([[`a${i}`, 'b'.repeat(10_000)]]), i === 5 ? 4 : 0),
      ),
    ],
  ],
  ['a body shorter than content-length', [post(['content-length', '5']), data(1, 'abc', 1)]],
  ['a body longer than content-length', [post(['content-length', '2']), data(1, 'abc', 1)]],
  ['METADATA', [frame(0x4d, 4, 1, 'x'), headers(1, GET)]],
  ["a client's GOAWAY", [goAway(0), headers(1, GET)]],
  [
    'twenty CONTINUATION frames',
    [
      headers(1, block(GET), 1),
      ...Array.from({ length: 20 }, (_, i) =>
        continuation(1, block([[`a${i}`, 'b']]), i === 19 ? 4 : 0),
      ),
    ],
  ],
  ['one empty DATA frame', [post(), data(1, ''), data(1, 'x', 1)]],
  ['900 PINGs', [repeat(900, () => ping())]],
  [
    'a reset',
    [headers(1, get({ ':path': '/never' })), reset(1), headers(3, get({ ':path': '/direct' }))],
  ],
  ['a stream below the last', [headers(5, GET), headers(3, GET)]],
  ['a window update of 0', [post(), windowUpdate(1, 0)]],
  ['DATA on an idle stream', [data(5, 'x')]],
  ['a frame larger than 16384', [frame(0, 0, 1, '', 16_385)]],
];

/** Rules of messages, and floods: Envoy says nothing, waits a second and hangs up; we send a GOAWAY that says why. */
const breaches: readonly [what: string, frames: readonly Buffer[]][] = [
  ['connection', [headers(1, get({}, ['connection', 'close']))]],
  ['keep-alive', [headers(1, get({}, ['keep-alive', '5']))]],
  ['upgrade', [headers(1, get({}, ['upgrade', 'websocket']))]],
  ['transfer-encoding', [headers(1, get({}, ['transfer-encoding', 'chunked']))]],
  ['te: gzip', [headers(1, get({}, ['te', 'gzip']))]],
  ['an upper-case name', [headers(1, get({}, ['Ab', 'c']))]],
  ['a name with a blank', [headers(1, get({}, ['a b', 'c']))]],
  ['a value with LF', [headers(1, get({}, ['a', 'b\nc']))]],
  ['a value with a control byte', [headers(1, get({}, ['a', 'b\x01']))]],
  ['no authority', [headers(1, get({ ':authority': '' }))]],
  ['an empty authority', [headers(1, [[':authority', ''], ...get({ ':authority': '' })])]],
  ['an authority with a slash', [headers(1, get({ ':authority': 'a/b' }))]],
  ['an authority with a user', [headers(1, get({ ':authority': 'u@h' }))]],
  ['two hosts', [headers(1, get({ ':authority': '' }, ['host', 'x'], ['host', 'y']))]],
  ['a path without a slash', [headers(1, get({ ':path': 'abc' }))]],
  ['a path with DEL', [headers(1, get({ ':path': '/\x7f' }))]],
  ['a method with a blank', [headers(1, get({ ':method': 'FR OB' }))]],
  ['a scheme with a comma', [headers(1, get({ ':scheme': 'http,x' }))]],
  [
    'CONNECT with a path',
    [
      headers(1, [
        [':method', 'CONNECT'],
        [':authority', 'h:1'],
        [':path', '/'],
      ]),
    ],
  ],
  [
    ':protocol that is not allowed',
    [headers(1, [[':protocol', 'websocket'], ...get({ ':method': 'CONNECT' })])],
  ],
  ['content-length and no body', [headers(1, get({}, ['content-length', '1']))]],
  ['two content-lengths', [headers(1, get({}, ['content-length', '0'], ['content-length', '0']))]],
  ['trailers that do not end', [post(), headers(1, [['a', 'b']], 4)]],
  ['pseudo headers in trailers', [post(), headers(1, [[':path', 'b']])]],
  ['floods of PRIORITY', [repeat(150, () => priority(3))]],
  ['floods of WINDOW_UPDATE', [post(), repeat(50, () => windowUpdate(1, 1))]],
  ['floods of empty DATA', [post(), repeat(3, () => data(1, ''))]],
];

/** What the client gets: headers without times, bodies by their length, whether the connection stays. */
function play(port: number, frames: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const log = new FrameLog();
    let ended = false;
    let timer = setTimeout(finish, QUIET_MS);
    function finish(): void {
      socket.destroy();
      const lines = log.answers.map((line) =>
        line.replace(/ date=\S+( \S+){5}/, '').replace(/ x-envoy-upstream-service-time=\d+/, ''),
      );
      // How a body is cut into frames, and whether its last one is empty, is not for comparison.
      const text = lines.join('\n').replaceAll(/(DATA \d+ [1-9]\d*)\nDATA \d+ 0 end/g, '$1 end');
      resolve(`${text}\n${ended ? 'closed' : 'open'}`);
    }
    socket.on('data', (chunk: Buffer) => {
      log.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(finish, QUIET_MS);
    });
    socket.on('end', () => (ended = true));
    socket.on('error', () => (ended = true));
    socket.write(Buffer.concat([Buffer.from(PREFACE), settings(), ...frames]));
  });
}

t.test('Beside Envoy', async (t) => {
  if (envoyBinary === undefined) {
    t.comment('SKIPPED: no Envoy (ENVOY_BIN)');
    t.pass('# SKIP no Envoy');
    return;
  }
  const server = createServer((incoming, response) => {
    if (incoming.url === '/never') return;
    incoming.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/plain', connection: 'keep-alive' });
      response.end(JSON.stringify(incoming.rawHeaders));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const bootstrap = bootstrapOf(
    [
      httpListener('l', [
        {
          match: { prefix: '/direct' },
          direct_response: { status: 200, body: { inline_string: 'hi' } },
        },
        { match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } },
      ]),
    ],
    [cluster('up', [(server.address() as AddressInfo).port])],
  );
  const [ours, envoys] = await Promise.all([
    ProxyProcess.start(t, bootstrap),
    ProxyProcess.start(t, bootstrap, envoyBinary),
  ]);
  const played = await Promise.all(
    [...rows, ...breaches].map(async ([what, frames]) => {
      const [own, other] = await Promise.all([
        play(ours.port('l'), frames),
        play(envoys.port('l'), frames),
      ]);
      return { what, own, other };
    }),
  );
  const plain = new Set(rows.map(([what]) => what));
  for (const { what, own, other } of played) {
    await t.test(what, (t) => {
      if (!plain.has(what)) {
        t.equal(other, '\nclosed', 'Envoy says nothing');
        t.match(own, /GOAWAY \d+ (PROTOCOL_ERROR|ENHANCE_YOUR_CALM)\nclosed/, 'we say why');
      } else if (declared.has(what)) t.not(own, other);
      else t.equal(own, other);
      t.end();
    });
  }
  await t.test('the log says the same', async (t) => {
    const count = rows.length;
    const sorted = async (proxy: ProxyProcess): Promise<readonly string[]> =>
      (await proxy.log(count)).filter((line) => line.includes('invalid.header.field')).toSorted();
    t.strictSame([...new Set(await sorted(ours))], [...new Set(await sorted(envoys))]);
  });
});
