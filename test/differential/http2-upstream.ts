// An upstream of HTTP/2 for rows: answers each stream with the frames it is told, and notes what it was sent.
import type { Socket } from 'node:net';

import {
  FrameLog,
  PREFACE,
  data,
  headers,
  settings,
  settingsAck,
} from '../support/http2-frames.ts';
import type { Lines } from '../support/http2-frames.ts';
import type { CustomUpstream } from './row.ts';

export type Answer = (streamId: number) => readonly (Buffer | 'close' | 'reset')[];

export interface Http2Script {
  /** First request on whichever connection, second …; the last one repeated. */
  readonly answers: readonly Answer[];
  /** Answers at the head, does not wait for the body. */
  readonly atHead?: true;
}

const NOT_NOTED = /^(?:SETTINGS|WINDOW)/;

export function http2Upstream({ answers, atHead }: Http2Script): CustomUpstream {
  // Ours, Envoy and their cuts each have a port of their own.
  const counts = new Map<number | undefined, number>();
  return {
    serve(socket: Socket, note) {
      const log = new FrameLog(PREFACE.length);
      let seen = 0;
      socket.on('error', () => {});
      socket.write(Buffer.concat([settings(), settingsAck()]));
      const reply = (streamId: number): void => {
        const count = counts.get(socket.localPort) ?? 0;
        counts.set(socket.localPort, count + 1);
        const answer = answers[Math.min(count, answers.length - 1)]!;
        for (const part of answer(streamId)) {
          if (part === 'close') socket.end();
          else if (part === 'reset') socket.resetAndDestroy();
          else socket.write(part);
        }
      };
      socket.on('data', (chunk: Buffer) => {
        log.push(chunk);
        for (; seen < log.lines.length; seen++) {
          const line = log.lines[seen]!;
          if (!NOT_NOTED.test(line)) note(sorted(line));
          const [kind, id] = line.split(' ');
          const complete = line.endsWith(' end');
          if (atHead === undefined ? complete : kind === 'HEADERS') reply(Number(id));
        }
      });
    },
  };
}

/** The order of pseudo headers is nobody's business. */
function sorted(line: string): string {
  if (!line.startsWith('HEADERS')) return line;
  const [kind = '', id = '', ...fields] = line.split(' ');
  const isPseudo = (field: string): boolean => field.startsWith(':');
  const pseudo = fields.filter(isPseudo).toSorted();
  return [kind, id, ...pseudo, ...fields.filter((field) => !isPseudo(field))].join(' ');
}

/** `:status` and lines; `flags` 4: the body follows, 5: that is all. */
export const head = (id: number, status: string, lines: Lines = [], flags = 4): Buffer =>
  headers(id, [[':status', status], ...lines], flags);
export const end = (id: number, text: string): Buffer => data(id, text, 1);
