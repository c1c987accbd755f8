// A V8 CPU profile as a flame graph in SVG: width is time, callers below, their callees above. Names of the proxy's own functions stand
// out; what took less than a few pixels is left out.
import { escapeXml } from './chart.ts';

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      /** Both from 0. */
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** One function under one caller; recursion and overloads of a name are one frame. */
export interface Frame {
  readonly name: string;
  /** `ours`: from the proxy's files; `node`: Node's own JavaScript; `native`: system calls, the collector, V8. */
  readonly kind: 'ours' | 'node' | 'native';
  totalUs: number;
  readonly children: Map<string, Frame>;
}

const IDLE: ReadonlySet<string> = new Set(['(idle)']);
const WIDTH = 1_200;
const ROW = 17;
const LEAST_PIXELS = 2;
const CHAR_PIXELS = 6.6;
const STYLE =
  'text{font:11px monospace;fill:#222;pointer-events:none}.ours{fill:#e8a35c}.node{fill:#c9d4de}.native{fill:#9db4c8}rect{stroke:#fff;stroke-width:.5}';

function kindOf(url: string): Frame['kind'] {
  if (url.startsWith('node:')) return 'node';
  return url === '' ? 'native' : 'ours';
}

/** Busy time only, of the last `lastMs`: a thread that waits or starts is not in the picture. */
export function frameTree(profile: CpuProfile, lastMs = Infinity): Frame {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parentOf = new Map<number, number>();
  for (const node of profile.nodes)
    for (const child of node.children ?? []) parentOf.set(child, node.id);
  const root: Frame = { name: 'all', kind: 'native', totalUs: 0, children: new Map() };
  const frameOf = new Map<number, Frame>();
  const find = (id: number): Frame => {
    const known = frameOf.get(id);
    if (known !== undefined) return known;
    const parent = parentOf.get(id);
    if (parent === undefined) return root;
    const above = find(parent);
    const { functionName, url } = byId.get(id)!.callFrame;
    const name = functionName === '' ? '(anonymous)' : functionName;
    let frame = above.children.get(name);
    if (frame === undefined) {
      frame = { name, kind: kindOf(url), totalUs: 0, children: new Map() };
      above.children.set(name, frame);
    }
    frameOf.set(id, frame);
    return frame;
  };
  let leftUs = profile.timeDeltas.reduce((sum, deltaUs) => sum + deltaUs, 0);
  profile.samples.forEach((id, i) => {
    leftUs -= profile.timeDeltas[i] ?? 0;
    if (leftUs > lastMs * 1_000) return;
    if (IDLE.has(byId.get(id)?.callFrame.functionName ?? '')) return;
    const deltaUs = Math.max(0, profile.timeDeltas[i] ?? 0);
    for (let at: number | undefined = id; at !== undefined; at = parentOf.get(at)) {
      const frame = find(at);
      // The root node of the profile is our root; it is counted with it.
      if (frame !== root || parentOf.get(at) === undefined) frame.totalUs += deltaUs;
    }
  });
  return root;
}

function depthOf(frame: Frame, leastUs: number): number {
  let deepest = 0;
  for (const child of frame.children.values())
    if (child.totalUs >= leastUs) deepest = Math.max(deepest, depthOf(child, leastUs));
  return deepest + 1;
}

/** `title`: what was run; `requests`: makes the tool tips say µs per request. */
export function flameGraphSvg(root: Frame, title: string, requests: number): string {
  const scale = WIDTH / root.totalUs;
  const leastUs = LEAST_PIXELS / scale;
  const height = (depthOf(root, leastUs) + 2) * ROW;
  const parts: string[] = [];
  const draw = (frame: Frame, startUs: number, depth: number): void => {
    const x = startUs * scale;
    const width = frame.totalUs * scale;
    const y = height - (depth + 1) * ROW;
    const tip = `${frame.name}: ${(frame.totalUs / requests).toFixed(2)} µs per request, ${((frame.totalUs * 100) / root.totalUs).toFixed(1)} %`;
    const label = frame.name.slice(0, Math.max(0, Math.floor((width - 4) / CHAR_PIXELS)));
    parts.push(
      `<g><title>${escapeXml(tip)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" class="${frame.kind}"/>${label.length < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escapeXml(label)}</text>`}</g>`,
    );
    let atUs = startUs;
    for (const child of [...frame.children.values()].toSorted((a, b) => b.totalUs - a.totalUs)) {
      if (child.totalUs >= leastUs) draw(child, atUs, depth + 1);
      atUs += child.totalUs;
    }
  };
  draw(root, 0, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<style>${STYLE}</style><rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="4" y="13">${escapeXml(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
