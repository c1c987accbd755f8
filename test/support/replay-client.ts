// An application in a pod: reads what to ask from standard input (JSON, ClientWork[]), asks with plain node:http, or as another sidecar would,
// by TLS, writes the answers (ClientAnswer[][]). [m]
import { Agent, request } from 'node:http';
import { Agent as TlsAgent, request as requestSecurely } from 'node:https';
import { connect } from 'node:net';
import process from 'node:process';
import { text } from 'node:stream/consumers';

export interface ClientWork {
  readonly host: string;
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** How often, default once; `concurrency` of them at a time (default 16), on connections kept alive. */
  readonly count?: number;
  readonly concurrency?: number;
  /** Only status, address and time of each answer are kept. */
  readonly brief?: boolean;
  /** By TLS, with this certificate where there is one. */
  readonly tls?: { readonly cert?: string; readonly key?: string };
  /** Instead of a request: these bytes, once; the answer's body is what came back until the peer ended or 500 ms of silence. */
  readonly raw?: string;
}

export interface ClientAnswer {
  /** 0 where there was none; `body` says why. */
  readonly status: number;
  /** The upstream's, as it says. */
  readonly address: string;
  /** Who the caller's sidecar proved to be; undefined in plaintext. */
  readonly client?: string | undefined;
  readonly ms: number;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: string;
}

function ask(work: ClientWork, agent: Agent): Promise<ClientAnswer> {
  const startedMs = performance.now();
  const { host, port, path, method = 'GET', headers = {} } = work;
  return new Promise((resolve) => {
    const done = (answer: Omit<ClientAnswer, 'ms'>): void =>
      resolve({ ...answer, ms: performance.now() - startedMs });
    const by = work.tls === undefined ? request : requestSecurely;
    const sent = by({ host, port, path, method, headers, agent }, (response) => {
      text(response).then(
        (body) => {
          const address = /^{"address":"([^"]*)"/.exec(body)?.[1] ?? '';
          const client = /^{"address":"[^"]*","peer":"[^"]*","client":"([^"]*)"/.exec(body)?.[1];
          const status = response.statusCode ?? 0;
          done(
            work.brief === true
              ? { status, address, client }
              : { status, address, client, headers: response.headers, body },
          );
        },
        (error: Error) => done({ status: 0, address: '', body: error.message }),
      );
    });
    sent.on('error', (error) => done({ status: 0, address: '', body: error.message }));
    sent.end();
  });
}

function sendRaw({ host, port, raw = '' }: ClientWork): Promise<ClientAnswer> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    let body = '';
    const socket = connect({ host, port }, () => socket.write(raw));
    socket.setTimeout(500, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    socket.on('error', (error) => (body += error.message));
    socket.on('close', () =>
      resolve({ status: 0, address: '', body, ms: performance.now() - startedMs }),
    );
  });
}

async function askAll(work: ClientWork): Promise<ClientAnswer[]> {
  if (work.raw !== undefined) return [await sendRaw(work)];
  const { count = 1, concurrency = 16 } = work;
  const pool = { keepAlive: true, maxSockets: concurrency };
  const agent =
    work.tls === undefined
      ? new Agent(pool)
      : new TlsAgent({
          ...pool,
          ...work.tls,
          rejectUnauthorized: false,
          ALPNProtocols: ['istio-http/1.1', 'istio', 'http/1.1'],
        });
  const answers: ClientAnswer[] = [];
  let left = count;
  const askInTurn = async (): Promise<void> => {
    while (left-- > 0) answers.push(await ask(work, agent));
  };
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, askInTurn));
  agent.destroy();
  return answers;
}

const works = JSON.parse(await text(process.stdin)) as ClientWork[];
process.stdout.write(JSON.stringify(await Promise.all(works.map(askAll))));
