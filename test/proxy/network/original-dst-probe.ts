// Child of original-dst.test.ts, run inside a pod that has REDIRECT rules: connects through them, prints what the kernel answered. [m]
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import process from 'node:process';
import { originalDestination } from '../../../proxy/network/original-dst.ts';
import type { OriginalDestination } from '../../../proxy/network/original-dst.ts';

/** Arguments: port of the server (rules redirect to it), then pairs of host and port to connect to. */
const [serverPort = '0', ...targets] = process.argv.slice(2);
const answers: (OriginalDestination | null)[] = [];
let lastMicroseconds = 0;

const server = createServer({ pauseOnConnect: true }, (socket) => {
  const fd = fdOf(socket);
  const family = socket.remoteAddress?.includes('.') === true ? 'IPv4' : 'IPv6';
  answers.push(originalDestination(fd, family) ?? null);
  const rounds = 2000;
  const started = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) originalDestination(fd, family);
  lastMicroseconds = Number(process.hrtime.bigint() - started) / rounds / 1000;
  socket.destroy();
  next();
});
server.listen(Number(serverPort), '::', next);

function next(): void {
  const host = targets.shift();
  const port = targets.shift();
  if (host === undefined || port === undefined) {
    process.stdout.write(JSON.stringify({ answers, microsecondsPerCall: lastMicroseconds }));
    server.close();
    return;
  }
  const actualPort = port === 'own' ? (server.address() as AddressInfo).port : Number(port);
  connect(actualPort, host).on('error', () => {});
}

function fdOf(socket: Socket): number {
  return (socket as Socket & { _handle: { fd: number } })._handle.fd;
}
