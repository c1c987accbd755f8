// A backend without nginx: one fixed response to each request. Trusts its peer, which is the bench: only content-length frames bodies.
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';

const [port = 0, responseBytes = 0] = process.argv.slice(2, 4).map(Number);
const addresses = process.argv.slice(4);
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${responseBytes}\r\n\r\n${'x'.repeat(responseBytes)}`,
);

function serve(socket: Socket): void {
  let text = '';
  let bodyLeft = 0;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    for (;;) {
      const skipped = Math.min(bodyLeft, text.length);
      text = text.slice(skipped);
      bodyLeft -= skipped;
      const end = bodyLeft > 0 ? -1 : text.indexOf('\r\n\r\n');
      if (end < 0) return;
      bodyLeft = Number(/\r\ncontent-length: *([0-9]+)/i.exec(text.slice(0, end + 2))?.[1] ?? '0');
      text = text.slice(end + 4);
      socket.write(response);
    }
  });
  socket.on('error', () => socket.destroy());
}

for (const address of addresses) createServer({ noDelay: true }, serve).listen(port, address);
