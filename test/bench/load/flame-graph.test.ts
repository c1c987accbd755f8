// Flame graphs: time is added up by the way of calls, waiting is left out, and names from a profile cannot break the picture.
import t from 'tap';
import { flameGraphSvg, frameTree } from '../../../bench/load/flame-graph.ts';

const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url, lineNumber: 0, columnNumber: 0 },
  children,
});

const PROFILE = {
  nodes: [
    node(1, '(root)', '', [2, 3]),
    node(2, 'onData', 'file:///dist/worker.js', [4]),
    node(3, '(idle)', ''),
    node(4, 'parse<&>', 'file:///dist/worker.js'),
  ],
  samples: [2, 4, 4, 3, 2],
  timeDeltas: [100, 200, 300, 5_000, 400],
};

t.test('frameTree', (t) => {
  const root = frameTree(PROFILE);
  const onData = root.children.get('onData')!;
  t.equal(root.totalUs, 1000, 'without the idle 5 ms');
  t.equal(onData.totalUs, 1000);
  t.equal(onData.kind, 'ours');
  t.equal(onData.children.get('parse<&>')?.totalUs, 500);
  t.equal(frameTree(PROFILE, 0.4).totalUs, 400, 'only what lies in the last 0.4 ms');
  t.end();
});

t.test('flameGraphSvg', (t) => {
  const svg = flameGraphSvg(frameTree(PROFILE), 'a < b', 10);
  t.match(svg, /onData: 100\.00 µs per request, 100\.0 %/);
  t.match(svg, 'parse&lt;&amp;&gt;');
  t.notMatch(svg, 'parse<', 'names are escaped');
  t.end();
});
