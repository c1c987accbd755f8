// An application or a resolver: says its name and whom it sees, on TCP and UDP ports. [m] Arguments: name, TCP ports, UDP ports.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import process from 'node:process';

const [name = '', tcpPorts = '', udpPorts = ''] = process.argv.slice(2);
const plain = (address = ''): string => address.replace('::ffff:', '');
const numbers = (list: string): readonly number[] =>
  list
    .split(',')
    .filter((text) => text !== '')
    .map(Number);

const ready: Promise<unknown>[] = [];
for (const port of numbers(tcpPorts)) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.end(`${name} sees ${plain(socket.remoteAddress)}`);
  });
  ready.push(
    new Promise(
      (resolve) =>
        void server.listen({ port, host: '::', backlog: 2048 }, () => resolve(undefined)),
    ),
  );
}
for (const port of numbers(udpPorts)) {
  // A socket for each address: one for all would answer from another address than the one it was asked at.
  for (const { address, family } of Object.values(networkInterfaces()).flatMap(
    (list) => list ?? [],
  )) {
    if (address.startsWith('fe80:')) continue;
    const socket = createSocket(family === 'IPv4' ? 'udp4' : 'udp6');
    socket.on('message', (_message, peer) =>
      socket.send(`${name} sees ${peer.address}`, peer.port, peer.address),
    );
    ready.push(new Promise((resolve) => void socket.bind(port, address, () => resolve(undefined))));
  }
}
await Promise.all(ready);
process.stdout.write('ready\n');
