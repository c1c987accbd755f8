// Messages of a gRPC body, cut anywhere; lengths that are only claims.
import t from 'tap';
import { MessageSplitter, withPrefix } from '../../../proxy/grpc/message-splitter.ts';

const reader = (maxBytes = 1 << 20): { splitter: MessageSplitter; got: string[] } => {
  const got: string[] = [];
  const splitter = new MessageSplitter(maxBytes, (message) =>
    got.push(Buffer.from(message).toString('latin1')),
  );
  return { splitter, got };
};

t.test('MessageSplitter', (t) => {
  t.test('gives the same messages however the bytes are cut', (t) => {
    const texts = ['a', '', 'bcd'.repeat(300), 'e'];
    const wire = Buffer.concat(texts.map((text) => withPrefix(Buffer.from(text))));
    for (const size of [1, 2, 3, 4, 5, 6, 7, 64, 4096]) {
      const { splitter, got } = reader();
      for (let at = 0; at < wire.length; at += size)
        t.equal(splitter.push(wire.subarray(at, at + size)), '');
      t.strictSame(got, texts, `pieces of ${size}`);
      t.equal(splitter.midMessage, false);
    }
    t.end();
  });

  t.test('keeps no view of the chunk', (t) => {
    const kept: Uint8Array[] = [];
    const splitter = new MessageSplitter(100, (message) => kept.push(message));
    const chunk = withPrefix(Buffer.from('abc'));
    splitter.push(chunk);
    chunk.fill(0);
    t.equal(Buffer.from(kept[0]!).toString(), 'abc');
    t.end();
  });

  t.test(
    'a large message arrives whole, and one that only claims to be large takes little',
    (t) => {
      const large = Buffer.alloc(900_000, 'x');
      const { splitter, got } = reader();
      const wire = withPrefix(large);
      for (let at = 0; at < wire.length; at += 60_001)
        splitter.push(wire.subarray(at, at + 60_001));
      t.equal(got[0]?.length, 900_000);

      const before = process.memoryUsage().arrayBuffers;
      const claims = reader(256 << 20).splitter;
      claims.push(Buffer.from([0, 0x0f, 0xff, 0xff, 0xff, 1]));
      t.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
      t.equal(claims.midMessage, true);
      t.end();
    },
  );

  t.test('refuses what is too long or compressed', (t) => {
    t.match(reader(3).splitter.push(withPrefix(Buffer.from('abcd'))), /4 bytes, at most 3/);
    t.match(reader().splitter.push(Buffer.from([1, 0, 0, 0, 0])), /compressed/);
    t.end();
  });

  t.test('stops within a chunk', (t) => {
    const got: number[] = [];
    const splitter: MessageSplitter = new MessageSplitter(100, (message) => {
      got.push(message.length);
      splitter.stop();
    });
    const one = withPrefix(Buffer.from('a'));
    splitter.push(Buffer.concat([one, one]));
    t.strictSame(got, [1]);
    t.end();
  });
  t.end();
});
