// Windows: what is charged, when it is given back, overflow.
import t from 'tap';

import { FlowWindows } from '../../../../proxy/http/http2/flow-control.ts';

t.test('FlowWindows', (t) => {
  t.test('allow exactly the window and not a byte more', (t) => {
    const windows = new FlowWindows(0, 100);
    t.equal(windows.charge(60), true);
    t.equal(windows.charge(40), true);
    t.equal(windows.charge(1), false);
    t.end();
  });
  t.test('announce bytes once half of the window was consumed, all of them and once', (t) => {
    const windows = new FlowWindows(0, 100);
    windows.charge(100);
    t.equal(windows.release(30), 0);
    t.equal(windows.release(19), 0);
    t.equal(windows.release(1), 50);
    t.equal(windows.receiveBytes, 50);
    t.equal(windows.release(49), 0);
    t.equal(windows.release(1), 50);
    t.equal(windows.receiveBytes, 100);
    t.end();
  });
  t.test('never lets the peer have more than the window outstanding', (t) => {
    const windows = new FlowWindows(0, 65_535);
    let outstanding = 0;
    for (let i = 0; i < 10_000; i++) {
      const size = Math.min(1 + ((i * 7919) % 5000), windows.receiveBytes);
      t.equal(windows.charge(size), true);
      outstanding += size;
      if (outstanding > 65_535) t.fail(`${outstanding} outstanding`);
      if (i % 3 === 0) {
        windows.release(outstanding);
        outstanding = 0;
      }
    }
    t.end();
  });
  t.test('refuse to grow past 2^31 - 1', (t) => {
    const windows = new FlowWindows(65_535, 0);
    t.equal(windows.widen(0x7fff_ffff - 65_535), true);
    t.equal(windows.widen(1), false);
    t.end();
  });
  t.test('may be negative after a smaller initial size', (t) => {
    const windows = new FlowWindows(10, 0);
    t.equal(windows.widen(-50), true);
    t.equal(windows.sendBytes, -40);
    t.end();
  });
  t.end();
});
