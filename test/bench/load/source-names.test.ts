// A profile of a real bundle, with the places that V8 gives: private methods, and private fields that hold a function.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withSourceNames } from '../../../bench/load/source-names.ts';
import { bundle } from '../../../build/emit.ts';

const SOURCE = `
class Decoder {
  #count = 0;
  readonly #onTimer = (step: number): number => (this.#count += step);
  decode(): number { return this.#takeAll(3) + this.#onTimer(process.argv.length); }
  #takeAll(most: number): number { while (this.#count < most) this.#count++; return this.#count; }
}
process.stdout.write(String(new Decoder().decode()));
`;

t.test('withSourceNames', async (t) => {
  const root = t.testdir();
  mkdirSync(join(root, 'iptables-init'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(root, 'iptables-init/main.ts'), SOURCE);
  await bundle(root, join(root, 'dist'));
  const url = join(root, 'dist/iptables-init/main.js');
  const text = readFileSync(url, 'utf8');
  const frame = (functionName: string, columnNumber: number, at = url) => ({
    callFrame: { functionName, url: at, lineNumber: 0, columnNumber },
  });
  const [, method = ''] = /(#\w+)\(\w+\)\{/.exec(text) ?? [];
  const [arrow = '', field = ''] = /(#\w+)=\w+=>/.exec(text) ?? [];
  t.not(method, '#takeAll', 'the bundle shortens it');
  const nodes = [
    frame(method, text.indexOf(`${method}(`, text.indexOf('decode()'))),
    frame(field, text.indexOf(arrow) + field.length + 1),
    frame('decode', text.indexOf('decode()')),
    frame('#a', 3, join(root, 'none.js')),
  ].map((node, id) => ({ id, ...node }));
  const names = withSourceNames({ nodes, samples: [], timeDeltas: [] }).nodes.map(
    ({ callFrame }) => callFrame.functionName,
  );
  t.strictSame(names, ['#takeAll', '#onTimer', 'decode', '#a']);
});
