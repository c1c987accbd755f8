// [m] ExpositionFilter: a page of metrics as it streams by, without the lines that would break the page that it becomes part of.
import { isUtf8 } from '../../proxy/base/node-builtins.ts';

import { convertLine } from './exposition-line.ts';
import type { MetricsFormat } from './exposition-line.ts';

export interface LeftOut {
  readonly count: number;
  /** Of the first one, from 1. */
  readonly line: number;
  /** How it begins, as JSON, so that it cannot pass for something else in a log. */
  readonly excerpt: string;
}

const NEWLINE = 0x0a;
const MAX_LINE_BYTES = 262_144;
const EXCERPT_CHARS = 80;
const SPACE = 0x20;
const TAB = 0x09;
const RETURN = 0x0d;

export class ExpositionFilter {
  readonly #from: MetricsFormat;
  readonly #to: MetricsFormat;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #lines = 0;
  #leftOut: LeftOut | undefined;

  constructor(from: MetricsFormat, to: MetricsFormat) {
    this.#from = from;
    this.#to = to;
  }

  /** Lines that could not be passed on; undefined: none. */
  get leftOut(): LeftOut | undefined {
    return this.#leftOut;
  }

  /** The whole lines that are complete now. Throws at a line without end. */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#restBytes += chunk.length;
      if (this.#restBytes > MAX_LINE_BYTES)
        throw new Error(`has a line longer than ${MAX_LINE_BYTES} bytes`);
      this.#rest.push(chunk);
      return Buffer.alloc(0);
    }
    const whole = Buffer.concat([...this.#rest, chunk.subarray(0, end - 1)]);
    this.#rest = end < chunk.length ? [chunk.subarray(end)] : [];
    this.#restBytes = chunk.length - end;
    return this.#convert(whole);
  }

  /** The last line, where it has no end. */
  finish(): Buffer {
    const last = Buffer.concat(this.#rest);
    this.#rest = [];
    return last.length === 0 ? last : this.#convert(last);
  }

  #convert(block: Buffer): Buffer {
    const valid = isUtf8(block);
    let converted = '';
    for (const raw of block.toString('latin1').split('\n')) {
      this.#lines++;
      const line = withoutBlanks(raw);
      const readable = valid || isUtf8(Buffer.from(line, 'latin1'));
      const taken = readable ? convertLine(line, this.#from, this.#to) : undefined;
      if (taken === undefined) this.#leaveOut(line);
      else if (taken !== '') converted += `${taken}\n`;
    }
    return Buffer.from(converted, 'latin1');
  }

  #leaveOut(line: string): void {
    this.#leftOut =
      this.#leftOut === undefined
        ? { count: 1, line: this.#lines, excerpt: JSON.stringify(line.slice(0, EXCERPT_CHARS)) }
        : { ...this.#leftOut, count: this.#leftOut.count + 1 };
  }
}

/** By hand: a regular expression for the end takes time by the square of a run of blanks, and apps choose how long that is. */
function withoutBlanks(line: string): string {
  let start = 0;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1), true)) end--;
  return line.slice(start, end);
}

const isBlank = (code: number, atEnd = false): boolean =>
  code === SPACE || code === TAB || (atEnd && code === RETURN);
