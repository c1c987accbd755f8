// dist/ follows the sources, and a build that fails leaves it alone. On a small tree of its own, with the real compiler.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { emitWhereStale } from '../../../samples/local-mesh/emitted.ts';

const ROOT = join(import.meta.dirname, '../../..');

function makeTree(root: string): void {
  for (const folder of [
    'proxy',
    'agent',
    'iptables-init',
    'xds-protos',
    'samples',
    'build',
    'node_modules',
  ])
    mkdirSync(join(root, folder));
  symlinkSync(join(ROOT, 'node_modules/typescript'), join(root, 'node_modules/typescript'));
  const settings = {
    compilerOptions: {
      target: 'es2024',
      noEmit: true,
      module: 'nodenext',
      rootDir: '.',
      types: [],
    },
    include: ['proxy'],
  };
  writeFileSync(join(root, 'tsconfig.build.json'), JSON.stringify(settings));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
}

t.test('emitWhereStale', async (t) => {
  const root = t.testdir();
  makeTree(root);
  const source = join(root, 'proxy/main.ts');
  const emitted = join(root, 'dist/proxy/main.js');
  let builds = 0;
  let seconds = 1_700_000_000;
  const write = (text: string): void => {
    writeFileSync(source, text);
    seconds += 10;
    utimesSync(source, seconds, seconds);
    utimesSync(join(root, 'tsconfig.build.json'), 1_700_000_000, 1_700_000_000);
  };
  const emit = (): Promise<void> => emitWhereStale(root, () => builds++);

  write('export const a: number = 1;\n');
  await emit();
  t.match(readFileSync(emitted, 'utf8'), /=1\b/, 'builds where nothing is');
  await emit();
  t.equal(builds, 1, 'builds nothing when no source changed');
  write('export const a: number = 2;\n');
  await emit();
  t.match(readFileSync(emitted, 'utf8'), /=2\b/, 'builds again when one did');
  write('export const a: number = "three";\n');
  await t.rejects(emit, { message: /proxy.main\.ts.*TS2322/ }, 'says what is wrong');
  t.match(readFileSync(emitted, 'utf8'), /=2\b/, 'keeps what was there');
  t.notOk(existsSync(join(root, 'dist/fresh')), 'leaves nothing lying about');
  t.equal(builds, 3);
});
