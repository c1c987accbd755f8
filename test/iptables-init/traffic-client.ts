// Runs in a pod as one user and makes the connections it is told to: a JSON line in, a JSON line out. [m]
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';

export interface Call {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  readonly source?: string;
  /** Of UDP only. */
  readonly sourcePort?: number;
  /** Proxies that pass it on before one answers. */
  readonly hops: number;
}

const limitMs = 2000;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, call } = JSON.parse(line) as { readonly id: number; readonly call: Call };
  const answer = (text: string): void => {
    process.stdout.write(`${JSON.stringify({ id, answer: text })}\n`);
  };
  if (call.protocol === 'tcp') askTcp(call, answer);
  else askUdp(call, answer);
});

function askTcp({ host, port, source, hops }: Call, answer: (text: string) => void): void {
  const socket = connect({ host, port, ...(source === undefined ? {} : { localAddress: source }) });
  let text = '';
  socket.setTimeout(limitMs, () => socket.destroy(new Error('timeout')));
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.on(
    'error',
    (error: NodeJS.ErrnoException) => (text = `error ${error.code ?? error.message}`),
  );
  socket.on('close', () => answer(text));
  socket.end(`${hops}\n`);
}

function askUdp({ host, port, hops, sourcePort = 0 }: Call, answer: (text: string) => void): void {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const end = (text: string): void => {
    clearTimeout(timer);
    socket.close();
    answer(text);
  };
  const timer = setTimeout(() => end('error timeout'), limitMs);
  // Connected: answers from any other address than the one asked are not taken.
  socket.bind(sourcePort, () => socket.connect(port, host, () => socket.send(`${hops}\n`)));
  socket.once('message', (message) => end(message.toString()));
  socket.once('error', (error: NodeJS.ErrnoException) =>
    end(`error ${error.code ?? error.message}`),
  );
}
