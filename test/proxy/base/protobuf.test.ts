// What workers write and read of protobuf's wire format, beside the codec of xds-protos.
import t from 'tap';
import { BYTES, FieldScanner, VARINT, protobufText } from '../../../proxy/base/protobuf-scanner.ts';
import { ProtobufWriter } from '../../../proxy/base/protobuf-writer.ts';
import { decode, encode } from '../../../xds-protos/codec.ts';

const HEADER = 'envoy.config.core.v3.HeaderValue';
const LONG = 'x'.repeat(70_000);

t.test('what is written is read by others', async (t) => {
  const writer = new ProtobufWriter();
  writer.text(1, 'k\xc3\xa9');
  writer.text(2, LONG);
  t.same(decode(HEADER, writer.finish()), { key: 'ké', value: LONG });

  const any = new ProtobufWriter();
  any.text(1, '');
  any.bytes(2, Buffer.from([0, 255]));
  t.same(
    Buffer.from(decode('google.protobuf.Any', any.finish()).value ?? []),
    Buffer.from([0, 255]),
  );
});

for (const value of [1, 127, 128, 300, 0xffff_ffff, Number.MAX_SAFE_INTEGER])
  t.test(`the number ${value}`, async (t) => {
    const writer = new ProtobufWriter();
    writer.number(1, value);
    const bytes = writer.finish();
    t.same(decode('google.protobuf.UInt64Value', bytes), BigInt(value));
    const scanner = new FieldScanner(bytes);
    t.ok(scanner.next());
    t.match(scanner, { number: 1, wireType: VARINT, varint: value });
    t.notOk(scanner.next());
    t.notOk(scanner.failed);
  });

t.test('zero and empty text are left out, empty messages are not', async (t) => {
  const writer = new ProtobufWriter();
  writer.number(1, 0);
  writer.bool(2, false);
  writer.text(3, '');
  t.equal(writer.finish().length, 0);
  writer.message(4, () => {});
  t.same(writer.finish(), Buffer.from([0x22, 0]));
});

t.test('what others write is read', async (t) => {
  const bytes = Buffer.from(encode(HEADER, { key: 'ké', value: LONG }));
  const scanner = new FieldScanner(bytes);
  const texts: (string | undefined)[] = [];
  while (scanner.next()) if (scanner.wireType === BYTES) texts.push(protobufText(scanner.content));
  t.same(texts, ['k\xc3\xa9', LONG]);
  t.notOk(scanner.failed);
});

for (const [what, bytes] of [
  ['a cut number', [0x08, 0x80]],
  ['a number without an end', [0x08, ...Array<number>(11).fill(0x80)]],
  ['a length beyond the end', [0x0a, 5, 1]],
  ['a huge length', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]],
  ['field number 0', [0x00, 0]],
  ['a group', [0x0b, 0x0c]],
  ['half a fixed number', [0x09, 1, 2]],
] as const)
  t.test(`${what} fails`, async (t) => {
    const scanner = new FieldScanner(Buffer.from(bytes));
    while (scanner.next());
    t.ok(scanner.failed);
    t.notOk(scanner.next());
  });
