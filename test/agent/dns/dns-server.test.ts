// The DNS proxy over real sockets, asked by Node's own resolver and by raw queries; upstream is a name server of the test.
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { decode, encode, streamDecode, streamEncode } from 'dns-packet';
import type { Packet } from 'dns-packet';
import t from 'tap';
import type { Test } from 'tap';

import { DnsServer } from '../../../agent/dns/dns-server.ts';
import { Forwarder, withLength } from '../../../agent/dns/forwarder.ts';
import type { NameServer } from '../../../agent/dns/forwarder.ts';
import { NameTable } from '../../../agent/dns/name-table.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { captureLog } from '../../support/captured-log.ts';
import { DnsServer as NameServerOfTest } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';

const many = Array.from({ length: 60 }, (_, i) => `10.1.0.${i + 1}`);
const TABLE = new NameTable(
  new Map([
    [
      'reviews.default.svc.cluster.local',
      {
        ips: ['10.0.0.1', '2001:db8::1'],
        registry: 'Kubernetes',
        shortname: 'reviews',
        namespace: 'default',
      },
    ],
    ['four.example', { ips: ['240.240.0.1'] }],
    ['many.example', { ips: many }],
    ['mapped.example', { ips: ['::ffff:10.0.0.7'] }],
    ['*.wild.example', { ips: ['240.240.0.2'] }],
  ]),
  { namespace: 'default', domain: 'svc.cluster.local', searchDomain: 'default.svc.cluster.local' },
);

interface Rig {
  readonly port: number;
  readonly counts: { requests: number; sent: number; failed: number };
  table: NameTable | undefined;
}

interface RigOptions {
  readonly servers?: readonly NameServer[];
  readonly parallel?: boolean;
  readonly timeoutMs?: number;
  readonly answersEarly?: boolean;
}

async function start(t: Test, options: RigOptions = {}): Promise<Rig> {
  const counts = { requests: 0, sent: 0, failed: 0 };
  const random = new SeededRandom(1);
  const rig = { port: 0, counts, table: TABLE as NameTable | undefined };
  const forwarder = new Forwarder({
    servers: options.servers ?? [],
    parallel: options.parallel ?? false,
    timeoutMs: options.timeoutMs ?? 5000,
    time: realTime,
    random,
    onSent: () => counts.sent++,
    onDone: (tookMs) => {
      if (tookMs === undefined) counts.failed++;
    },
  });
  const server = new DnsServer({
    forwarder,
    table: () => rig.table,
    answersEarly: options.answersEarly ?? false,
    random,
    logger: captureLog().logger,
    onRequest: () => counts.requests++,
  });
  rig.port = await server.listen(['127.0.0.1'], 0);
  t.teardown(() => server.close());
  return rig;
}

function resolver({ port }: Rig): Resolver {
  const made = new Resolver({ timeout: 2000, tries: 1 });
  made.setServers([`127.0.0.1:${port}`]);
  return made;
}

async function askRaw(port: number, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('no answer')), 1500);
      socket.on('message', (answer) => {
        clearTimeout(limit);
        resolve(answer);
      });
      socket.send(message, port, '127.0.0.1');
    });
  } finally {
    socket.close();
  }
}

const ask = async (port: number, packet: Packet): Promise<ReturnType<typeof decode>> =>
  decode(await askRaw(port, encode({ type: 'query', id: 7, flags: 0x100, ...packet })));

async function upstream(t: Test): Promise<NameServerOfTest> {
  const server = await NameServerOfTest.listen();
  t.teardown(() => server.close());
  return server;
}

t.test('DnsServer', async (t) => {
  await t.test('answers hosts of the mesh, and knows which family they have', async (t) => {
    const rig = await start(t);
    const asked = resolver(rig);
    t.strictSame(await asked.resolve4('reviews', { ttl: true }), [
      { address: '10.0.0.1', ttl: 30 },
    ]);
    t.strictSame(await asked.resolve6('reviews.default.svc.cluster.local'), ['2001:db8::1']);
    t.strictSame(await asked.resolve6('mapped.example'), ['::ffff:10.0.0.7']);
    await t.rejects(asked.resolve6('four.example'), { code: 'ENODATA' });
    t.equal(rig.counts.sent, 0);
    t.equal(rig.counts.requests, 4);
  });

  await t.test('an answer has the question as it was asked, flags, alias and EDNS', async (t) => {
    const rig = await start(t);
    const name = 'ReViews.DEFAULT.default.svc.cluster.local';
    const answer = await ask(rig.port, {
      questions: [{ type: 'A', name }],
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 1232,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    t.match(answer, {
      id: 7,
      flag_qr: true,
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_tc: false,
    });
    t.equal(answer.questions?.[0]?.name, name, 'letters keep their case');
    t.match(answer.answers, [
      { type: 'CNAME', ttl: 30, data: 'reviews.default' },
      { type: 'A', name: 'reviews.default', ttl: 30, data: '10.0.0.1' },
    ]);
    t.match(answer.additionals, [{ type: 'OPT' }]);
  });

  await t.test('what does not fit is cut, and comes whole over TCP', async (t) => {
    const rig = await start(t);
    const plain = await ask(rig.port, { questions: [{ type: 'A', name: 'many.example' }] });
    t.equal(plain.flag_tc, true);
    const count = plain.answers?.length ?? 0;
    t.ok(count > 25 && count < 60, `${count} addresses in 512 bytes`);
    t.equal((await resolver(rig).resolve4('many.example')).length, 60, 'Node asks again over TCP');
  });

  await t.test('addresses come in changing order', async (t) => {
    const rig = await start(t);
    const firsts = new Set<string>();
    for (let i = 0; i < 20; i++) firsts.add((await resolver(rig).resolve4('many.example'))[0]!);
    t.ok(firsts.size > 5, `${firsts.size} first addresses of 20`);
  });

  await t.test('SERVFAIL before the first table; on machines the servers are asked', async (t) => {
    const dns = await upstream(t);
    dns.set('other.test', { addresses: ['192.0.2.1'] });
    const servers = [{ address: '127.0.0.1', port: dns.port }];
    const pod = await start(t, { servers });
    pod.table = undefined;
    await t.rejects(resolver(pod).resolve4('reviews'), { code: 'ESERVFAIL' });
    const machine = await start(t, { servers, answersEarly: true });
    machine.table = undefined;
    t.strictSame(await resolver(machine).resolve4('other.test'), ['192.0.2.1']);
  });

  await t.test('other names and other types go to the servers of the pod', async (t) => {
    const dns = await upstream(t);
    dns.set('other.test', { addresses: ['192.0.2.1'] });
    const rig = await start(t, { servers: [{ address: '127.0.0.1', port: dns.port }] });
    t.strictSame(await resolver(rig).resolve4('other.test'), ['192.0.2.1']);
    await t.rejects(resolver(rig).resolve4('nowhere.test'), { code: 'ENOTFOUND' });
    const before = dns.asked.length;
    await ask(rig.port, { questions: [{ type: 'SRV', name: 'reviews' }] });
    t.equal(dns.asked.length, before + 1, 'a known name, but not for an address');
    t.equal(rig.counts.failed, 0);
  });

  await t.test('a silent server is passed by; when all are silent: SERVFAIL', async (t) => {
    const dead = await upstream(t);
    dead.set('other.test', 'silence');
    const live = await upstream(t);
    live.set('other.test', { addresses: ['192.0.2.1'] });
    const both = [dead, live].map(({ port }) => ({ address: '127.0.0.1', port }));
    const rig = await start(t, { servers: both, timeoutMs: 150 });
    for (let i = 0; i < 6; i++)
      t.strictSame(await resolver(rig).resolve4('other.test'), ['192.0.2.1']);
    t.ok(rig.counts.failed > 0 && dead.asked.length > 0, 'the order is random');
    const none = await start(t, { servers: both.slice(0, 1), timeoutMs: 150 });
    await t.rejects(resolver(none).resolve4('other.test'), { code: 'ESERVFAIL' });
    const parallel = await start(t, { servers: both, parallel: true });
    const startMs = performance.now();
    t.strictSame(await resolver(parallel).resolve4('other.test'), ['192.0.2.1']);
    t.ok(performance.now() - startMs < 4000, 'nobody waits for the dead one');
    t.equal(parallel.counts.sent, 2);
  });

  await t.test('a lost query is sent again', async (t) => {
    const dns = await upstream(t);
    dns.set('other.test', 'silence');
    const rig = await start(t, {
      servers: [{ address: '127.0.0.1', port: dns.port }],
      timeoutMs: 3000,
    });
    const patient = new Resolver({ timeout: 20_000, tries: 1 });
    patient.setServers([`127.0.0.1:${rig.port}`]);
    const answer = patient.resolve4('other.test');
    await eventually('it is asked', () => dns.asked.length === 1);
    dns.set('other.test', { addresses: ['192.0.2.1'] });
    t.strictSame(await answer, ['192.0.2.1']);
    t.ok(dns.asked.length >= 2);
    t.match(rig.counts, { sent: 1, failed: 0 }, 'still one request');
  });

  for (const parallel of [false, true]) {
    const how = parallel ? 'at once' : 'in turn';
    await t.test(`a server that fails counts only where no other answers, ${how}`, async (t) => {
      const [broken, good] = [await upstream(t), await upstream(t)];
      broken.set('other.test', 'servfail');
      good.set('other.test', { addresses: ['192.0.2.1'] });
      const servers = [broken, good].map(({ port }) => ({ address: '127.0.0.1', port }));
      const rig = await start(t, { servers, parallel });
      for (let i = 0; i < 6; i++)
        t.strictSame(await resolver(rig).resolve4('other.test'), ['192.0.2.1']);
      t.ok(broken.asked.length > 0);
      await t.rejects(resolver(rig).resolve4('nowhere.test'), { code: 'ENOTFOUND' });
      good.set('other.test', 'servfail');
      const before = broken.asked.length + good.asked.length;
      await t.rejects(resolver(rig).resolve4('other.test'), { code: 'ESERVFAIL' });
      t.ok(broken.asked.length + good.asked.length >= before + 2, 'both are asked');
    });
  }

  await t.test('over TCP it asks over TCP, several queries on a connection', async (t) => {
    const server = createServer((socket: Socket) => {
      socket.on('data', (chunk: Buffer) => {
        const { id, questions } = streamDecode(chunk);
        socket.end(
          streamEncode({
            type: 'response',
            id: id ?? 0,
            questions: questions ?? [],
            answers: [{ type: 'TXT', name: 'big.test', ttl: 1, data: ['x'.repeat(200)] }],
          }),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const rig = await start(t, { servers: [{ address: '127.0.0.1', port }] });
    const socket = connect(rig.port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
    const query = (id: number, name: string, type: 'A' | 'TXT'): Buffer =>
      streamEncode({ type: 'query', id, questions: [{ type, name }] });
    const bytes = Buffer.concat([
      query(1, 'reviews', 'A'),
      query(2, 'big.test', 'TXT'),
      query(3, 'four.example', 'A'),
    ]);
    for (const byte of bytes) socket.write(Buffer.from([byte]));
    const answers: number[] = [];
    await eventually('three answers', () => {
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        answers.push(decode(received.subarray(2, end)).id ?? 0);
        received = received.subarray(end);
      }
      return answers.length === 3;
    });
    t.strictSame(answers, [1, 2, 3]);
  });

  await t.test('hostile bytes get FORMERR or nothing, and the next query its answer', async (t) => {
    const rig = await start(t);
    const good = encode({ type: 'query', id: 9, questions: [{ type: 'A', name: 'reviews' }] });
    const pointer = Buffer.from(good);
    pointer[12] = 0xc0;
    pointer[13] = 0x0c;
    t.equal((await askRaw(rig.port, pointer))[3]! & 15, 1, 'a name that points to itself');
    t.equal((await askRaw(rig.port, good.subarray(0, 14)))[3]! & 15, 1, 'a cut question');
    const two = Buffer.from(good);
    two.writeUInt16BE(2, 4);
    t.equal((await askRaw(rig.port, two))[3]! & 15, 1, 'two questions');
    const random = new SeededRandom(5);
    const socket = createSocket('udp4');
    for (let i = 0; i < 500; i++) {
      const bytes = Buffer.from(good);
      for (let k = 0; k < 3; k++) bytes[random.nextUint32() % bytes.length] = random.nextUint32();
      socket.send(
        bytes.subarray(0, 1 + (random.nextUint32() % bytes.length)),
        rig.port,
        '127.0.0.1',
      );
    }
    await eventually('most are looked at', () => rig.counts.requests > 100);
    socket.close();
    t.strictSame(await resolver(rig).resolve4('reviews'), ['10.0.0.1']);
  });

  await t.test('names of bytes that are no ASCII, and of full length, get an answer', async (t) => {
    const dns = await upstream(t);
    const rig = await start(t, { servers: [{ address: '127.0.0.1', port: dns.port }] });
    const label = 'x'.repeat(63);
    const tail = 'wild.example.default.svc.cluster.local';
    const good = encode({
      type: 'query',
      id: 9,
      questions: [{ type: 'A', name: `${label}.${label}.${tail}` }],
    });
    const odd = Buffer.from(good);
    odd.fill(0xff, 13, 13 + 63);
    await askRaw(rig.port, odd);
    t.equal(dns.asked.length, 1, 'it is none of the mesh');
    const name = `${label}.${label}.${label}.${'y'.repeat(22)}.${tail}`;
    const long = await ask(rig.port, {
      questions: [{ type: 'A', name }],
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 512,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    });
    t.match(long, { flag_tc: true, answers: [] }, 'the alias alone is too long');
    t.strictSame(await resolver(rig).resolve4('reviews'), ['10.0.0.1']);
  });

  await t.test('a server that cannot be reached is passed by', async (t) => {
    const rig = await start(t, { servers: [{ address: '255.255.255.255', port: 53 }] });
    await t.rejects(resolver(rig).resolve4('other.test'), { code: 'ESERVFAIL' });
    t.equal(rig.counts.failed, 1);
  });

  await t.test(
    'thousands of small queries at once over TCP, and a client that never reads',
    async (t) => {
      const rig = await start(t);
      const bad = withLength(Buffer.alloc(12));
      const socket = connect(rig.port, '127.0.0.1');
      t.teardown(() => socket.destroy());
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
      const count = 20_000;
      socket.write(Buffer.concat(Array.from({ length: count }, () => bad)));
      await eventually('all are answered', () => bytes === count * 14);

      const deaf = connect(rig.port, '127.0.0.1');
      t.teardown(() => deaf.destroy());
      deaf.pause();
      const query = streamEncode({
        type: 'query',
        id: 1,
        questions: [{ type: 'A', name: 'many.example' }],
      });
      const before = rig.counts.requests;
      const flood = Buffer.concat(Array.from({ length: 50_000 }, () => query));
      deaf.write(flood);
      let last = -1;
      await eventually('it is left alone', () => {
        const now = rig.counts.requests - before;
        const still = now > 0 && now === last;
        last = now;
        return still;
      });
      t.ok(last < 40_000, `${last} of 50000 queries are answered before any answer is read`);
    },
  );

  await t.test('an answer is not answered', async (t) => {
    const rig = await start(t);
    const answer = encode({ type: 'response', id: 3, questions: [{ type: 'A', name: 'reviews' }] });
    await t.rejects(askRaw(rig.port, answer), /no answer/);
  });
});
