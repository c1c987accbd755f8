// Pipelines with damaged requests between good ones, through the real proxy: nothing of one request may reach another.
import { setTimeout as sleep } from 'node:timers/promises';

import { SeededRandom } from '../../proxy/base/random.ts';
import { RawPeer } from '../support/raw-peers.ts';
import type { RawUpstream } from '../support/raw-peers.ts';
import { below } from './generated-message.ts';
import { mutate } from './mutation.ts';
import { readStrictly } from './strict-reader.ts';

interface Sent {
  readonly id: string;
  readonly wire: string;
  readonly body: string;
  readonly damaged: boolean;
}

/** Everything one connection of a client sends. */
export interface Pipeline {
  readonly seed: number;
  readonly requests: readonly Sent[];
}

/** Letters alone: damage that counts a number up must not make one id of another. */
const inLetters = (number: number): string =>
  number
    .toString(26)
    .replace(/./g, (digit) => 'abcdefghijklmnopqrstuvwxyz'[Number.parseInt(digit, 26)]!);

export function generatePipeline(seed: number): Pipeline {
  const random = new SeededRandom(seed);
  const requests = Array.from({ length: 1 + below(random, 5) }, (_, i): Sent => {
    const id = `${inLetters(seed)}-${inLetters(i)}`;
    const body = `body of ${id} ${'x'.repeat(below(random, 60))}`;
    const chunked = below(random, 2) === 0;
    const framing = chunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`;
    const half = below(random, body.length - 1) + 1;
    const chunks = [body.slice(0, half), body.slice(half)].filter((chunk) => chunk !== '');
    const tail = chunked
      ? `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`
      : body;
    const wire = `POST /${id} HTTP/1.1\r\nhost: h\r\nx-id: ${id}\r\n${framing}\r\n\r\n${tail}`;
    const damaged = below(random, 3) === 0;
    return { id, wire: damaged ? mutate(random, wire) : wire, body, damaged };
  });
  return { seed, requests };
}

/** Answers each request with its own id; keeps all bytes. */
export const echoIds = (connection: RawPeer): void => {
  let answered = 0;
  connection.socket.on('data', () => {
    const { messages } = readStrictly('request', connection.text);
    for (; answered < messages.length; answered++) {
      const id = messages[answered]!.fields.find(({ name }) => name === 'x-id')?.value ?? 'none';
      connection.send(
        `HTTP/1.1 200 OK\r\nx-id: ${id}\r\ncontent-length: ${id.length}\r\n\r\n${id}`,
      );
    }
  });
};

const QUIET_MS = 80;
const PATIENCE_MS = 10_000;

const answerIds = (received: string): string[] =>
  [...received.matchAll(/\r\nx-id: (\S+)\r\n/g)].map((match) => match[1]!);

/** How many requests come before the first damaged one. */
function wholeAhead({ requests }: Pipeline): number {
  const first = requests.findIndex(({ damaged }) => damaged);
  return first < 0 ? requests.length : first;
}

/** Sends it in pieces and gives all that came back, once nothing more does. */
export async function exchangePipeline(port: number, pipeline: Pipeline): Promise<string> {
  const random = new SeededRandom(pipeline.seed + 1);
  const text = pipeline.requests.map(({ wire }) => wire).join('');
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += parts.at(-1)!.length)
    parts.push(text.slice(at, at + 1 + below(random, 400)));
  const peer = await RawPeer.connect(port);
  try {
    await peer.sendInParts(parts);
    const giveUpAt = performance.now() + PATIENCE_MS;
    while (answerIds(peer.text).length < wholeAhead(pipeline) && performance.now() < giveUpAt) {
      if (peer.ending !== 'open') break;
      await sleep(10);
    }
    // Whatever else comes comes soon.
    for (let seen = -1; seen !== peer.byteCount; await sleep(QUIET_MS)) seen = peer.byteCount;
    return peer.text;
  } finally {
    peer.close();
  }
}

/** Of one client: answers come in order, the good ones before any damage all of them. */
export function checkAnswers(pipeline: Pipeline, received: string): string | undefined {
  const { requests } = pipeline;
  const ids = answerIds(received);
  const sent = requests.map(({ id }) => id);
  let last = -1;
  for (const id of ids) {
    const at = sent.indexOf(id);
    if (at < 0) continue;
    if (at <= last) return `the answer to ${id} comes after a later one`;
    last = at;
  }
  for (const { id } of requests.slice(0, wholeAhead(pipeline))) {
    if (!ids.includes(id)) return `no answer to ${id}, which was whole and ahead of all damage`;
  }
  return undefined;
}

/** Of all upstream connections: whole requests, each good one as it was sent. */
export function checkUpstream(
  upstream: RawUpstream,
  sent: ReadonlyMap<string, Sent>,
): string | undefined {
  for (const { text } of upstream.connections) {
    const { messages } = readStrictly('request', text);
    const seen = new Set<string>();
    for (const { start, fields, body } of messages) {
      const id = fields.find(({ name }) => name === 'x-id')?.value ?? '';
      const original = sent.get(id);
      if (original === undefined || original.damaged) continue;
      // Damage may swallow the head of the request behind it: that is what its bytes say then.
      const owner = sent.get(/^POST \/(\S+) /.exec(start)?.[1] ?? '');
      if (owner === undefined || owner.damaged) continue;
      if (seen.has(id)) return `${id} came twice`;
      seen.add(id);
      if (body !== original.body) return `the body of ${id} is ${JSON.stringify(body)}`;
      if (start !== `POST /${id} h`) return `${id} came as ${start}`;
    }
  }
  return undefined;
}
