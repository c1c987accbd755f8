// What waits to be sent: taken in order in pieces of any size, own memory given back, views of others' copied.
import t from 'tap';
import { OwnBytes, gather, keepViews } from '../../../proxy/network/outbound-parts.ts';
import type { OutboundPart } from '../../../proxy/network/outbound-parts.ts';

function own(text: string): OwnBytes {
  const bytes = Buffer.allocUnsafeSlow(text.length);
  bytes.write(text, 'latin1');
  return new OwnBytes(bytes);
}

const partsOf = (): OutboundPart[] => ['head;', Buffer.from('a view;'), own('own bytes;'), 'tail'];
const WHOLE = 'head;a view;own bytes;tail';

for (let room = 1; room <= WHOLE.length + 1; room++) {
  t.test(`${room} bytes at a time`, async (t) => {
    const parts = partsOf();
    const target = Buffer.alloc(room);
    let text = '';
    let rounds = 0;
    while (parts.length > 0) {
      const byteCount = gather(parts, target);
      text += target.latin1Slice(0, byteCount);
      t.ok(byteCount === room || parts.length === 0, 'as much as fits');
      rounds++;
    }
    t.equal(text, WHOLE);
    t.equal(rounds, Math.ceil(WHOLE.length / room));
  });
}

t.test('own memory is given back when its last byte is taken, others stay', async (t) => {
  const view = Buffer.from('view');
  const mine = own('0123456789');
  const memory = mine.bytes.buffer as ArrayBuffer;
  const parts: OutboundPart[] = [view, mine];
  gather(parts, Buffer.alloc(9));
  t.notOk(memory.detached);
  gather(parts, Buffer.alloc(9));
  t.ok(memory.detached);
  t.equal(view.toString(), 'view');
});

t.test('views of the read buffer are copied, all else is left as it is', async (t) => {
  const shared = Buffer.allocUnsafeSlow(16);
  shared.write('from the socket!', 'latin1');
  const other = Buffer.from('other');
  const mine = own('mine');
  const parts: OutboundPart[] = ['text', shared.subarray(0, 4), other, mine];
  keepViews(parts, shared.buffer);
  shared.fill(0);
  t.equal(parts[0], 'text');
  t.ok(parts[1] instanceof OwnBytes);
  t.equal(parts[2], other);
  t.equal(parts[3], mine);
  const target = Buffer.alloc(64);
  t.equal(target.latin1Slice(0, gather(parts, target)), 'textfromothermine');
});
