// [m] V8's profiles as pprof's messages, for `go tool pprof`, Parca and Pyroscope (github.com/google/pprof, proto/profile.proto).
import { ProtobufWriter } from '../../proxy/base/protobuf-writer.ts';
import { CPU_INTERVAL_US, HEAP_INTERVAL_BYTES } from './profiler.ts';
import type { CpuProfile, HeapNode, HeapProfile } from './profiler.ts';

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface Sample {
  /** Innermost first. */
  readonly stack: readonly CallFrame[];
  readonly values: readonly [number, number];
}

interface ValueType {
  readonly type: string;
  readonly unit: string;
}

interface Times {
  /** Since 1970. */
  readonly endMs: number;
  readonly durationMs: number;
}

/** V8's names for time that no function of the program had; that the loop waits is no use of the processor. */
const IDLE = '(idle)';
const ROOT = '(root)';

class PprofEncoder {
  readonly #writer = new ProtobufWriter();
  readonly #strings = new Map<string, number>([['', 0]]);
  /** By place in the source, from 1: a location is a function's start. */
  readonly #locations = new Map<string, number>();

  constructor(types: readonly [ValueType, ValueType]) {
    for (const type of types) this.#valueType(1, type);
  }

  sample({ stack, values }: Sample): void {
    const locations = stack.map((frame) => this.#location(frame));
    this.#writer.message(2, (sample) => {
      for (const id of locations) sample.oneofNumber(1, id);
      for (const value of values) sample.oneofNumber(2, value);
    });
  }

  finish(period: ValueType, periodValue: number, { endMs, durationMs }: Times): Buffer {
    this.#writer.number(9, Math.round((endMs - durationMs) * 1e6));
    this.#writer.number(10, Math.round(durationMs * 1e6));
    this.#valueType(11, period);
    this.#writer.number(12, periodValue);
    for (const text of this.#strings.keys()) this.#writer.bytes(6, Buffer.from(text, 'utf8'));
    return this.#writer.finish();
  }

  #valueType(field: number, { type, unit }: ValueType): void {
    const [typeIndex, unitIndex] = [this.#string(type), this.#string(unit)];
    this.#writer.message(field, (message) => {
      message.number(1, typeIndex);
      message.number(2, unitIndex);
    });
  }

  #string(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const index = this.#strings.size;
    this.#strings.set(text, index);
    return index;
  }

  #location({ functionName, url, lineNumber }: CallFrame): number {
    const key = `${url}:${lineNumber}:${functionName}`;
    const known = this.#locations.get(key);
    if (known !== undefined) return known;
    const id = this.#locations.size + 1;
    this.#locations.set(key, id);
    const name = this.#string(functionName === '' ? '(anonymous)' : functionName);
    const file = this.#string(url);
    // V8 counts lines from 0, and has none where there is no source.
    const line = Math.max(0, lineNumber + 1);
    this.#writer.message(5, (message) => {
      message.number(1, id);
      message.number(2, name);
      message.number(3, name);
      message.number(4, file);
      message.number(5, line);
    });
    this.#writer.message(4, (message) => {
      message.number(1, id);
      message.message(4, (entry) => {
        entry.number(1, id);
        entry.number(2, line);
      });
    });
    return id;
  }
}

/** `endMs`: since 1970. */
export function encodeCpuProfile(profile: CpuProfile, endMs: number): Buffer {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const { id, children } of profile.nodes)
    for (const child of children ?? []) parents.set(child, id);
  const spent = new Map<number, [count: number, us: number]>();
  const { samples = [], timeDeltas = [] } = profile;
  samples.forEach((id, index) => {
    const entry = spent.get(id) ?? [0, 0];
    entry[0]++;
    // A sample stands for the time until the next one.
    entry[1] += Math.max(0, timeDeltas[index + 1] ?? 0);
    spent.set(id, entry);
  });
  const encoder = new PprofEncoder([
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ]);
  for (const [id, [count, us]] of spent) {
    if (nodes.get(id)?.callFrame.functionName === IDLE) continue;
    const stack: CallFrame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at)?.callFrame;
      if (frame !== undefined && frame.functionName !== ROOT) stack.push(frame);
    }
    encoder.sample({ stack, values: [count, us * 1000] });
  }
  const durationMs = (profile.endTime - profile.startTime) / 1000;
  return encoder.finish({ type: 'cpu', unit: 'nanoseconds' }, CPU_INTERVAL_US * 1000, {
    endMs,
    durationMs,
  });
}

export function encodeHeapProfile(profile: HeapProfile, times: Times): Buffer {
  const counts = new Map<number, number>();
  for (const { nodeId } of profile.samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  const encoder = new PprofEncoder([
    { type: 'inuse_objects', unit: 'count' },
    { type: 'inuse_space', unit: 'bytes' },
  ]);
  const open: { readonly node: HeapNode; readonly stack: readonly CallFrame[] }[] = [
    { node: profile.head, stack: [] },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, stack: outer } = next;
    const stack =
      node.callFrame.functionName === ROOT ? outer : [node.callFrame as CallFrame, ...outer];
    if (node.selfSize > 0)
      encoder.sample({ stack, values: [counts.get(node.id) ?? 0, Math.round(node.selfSize)] });
    for (const child of node.children) open.push({ node: child, stack });
  }
  return encoder.finish({ type: 'space', unit: 'bytes' }, HEAP_INTERVAL_BYTES, times);
}
