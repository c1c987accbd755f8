// A backend without nginx: answers each request's end of headers with one fixed response. Trusts its peer, which is the bench.
import { createServer } from 'node:net';
import process from 'node:process';

const port = Number(process.argv[2]);
const responseBytes = Number(process.argv[3]);
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${responseBytes}\r\n\r\n${'x'.repeat(responseBytes)}`,
);

createServer({ noDelay: true }, (socket) => {
  let tail = '';
  socket.on('data', (chunk) => {
    const text = tail + chunk.toString('latin1');
    const heads = text.split('\r\n\r\n');
    tail = heads.pop() ?? '';
    for (let i = 0; i < heads.length; i++) socket.write(response);
  });
  socket.on('error', () => socket.destroy());
}).listen(port, '127.0.0.1');
