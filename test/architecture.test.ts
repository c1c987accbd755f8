// Makes "who may import whom" of docs/architecture.md a fact: reads the sources, needs no build.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { layeringViolations, relativeImports } from './support/layering.ts';

const ROOT = join(import.meta.dirname, '..');

function readSources(): Map<string, string> {
  const paths = globSync('{proxy,agent,iptables-init,xds-protos}/**/*.ts', {
    cwd: ROOT,
    exclude: ['**/*.test.ts', '**/node_modules/**'],
  });
  return new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]));
}

t.test('Layers', (t) => {
  const sources = readSources();

  t.test('import only downwards', (t) => {
    t.ok(sources.size > 100, `found ${sources.size} sources`);
    t.strictSame(layeringViolations(sources), []);
    t.end();
  });

  t.test('have no index.ts', (t) => {
    t.strictSame(
      [...sources.keys()].filter((path) => /(^|\/)index\.ts$/.test(path)),
      [],
    );
    t.end();
  });
  t.end();
});

t.test('layeringViolations', (t) => {
  const of = (from: string, source: string): string[] =>
    layeringViolations(new Map([[from, source]]));

  const forbidden: readonly [why: string, from: string, to: string][] = [
    ['an upward import', 'proxy/http/a.ts', 'proxy/router/b.ts'],
    ['from the lowest rung', 'proxy/base/a.ts', 'proxy/config/b.ts'],
    ['into the composition root', 'proxy/listener-manager/a.ts', 'proxy/server/b.ts'],
    ['into the entry', 'proxy/filters/a.ts', 'proxy/main.ts'],
    ['agent into the router', 'agent/a.ts', 'proxy/router/b.ts'],
    ['agent into config', 'agent/status/a.ts', 'proxy/config/b.ts'],
    ['agent into the codecs', 'agent/a.ts', 'proxy/http/b.ts'],
    ['gRPC into the router', 'proxy/grpc/a.ts', 'proxy/router/b.ts'],
    ['the router into gRPC', 'proxy/router/a.ts', 'proxy/grpc/b.ts'],
    ['agent into init', 'agent/a.ts', 'iptables-init/b.ts'],
    ['the router into xds', 'proxy/router/a.ts', 'proxy/xds/b.ts'],
    ['the router into the protobufs', 'proxy/router/a.ts', 'xds-protos/b.ts'],
    ['filters into init', 'proxy/filters/a.ts', 'iptables-init/b.ts'],
    ['the top rung into the agent', 'proxy/server/a.ts', 'agent/b.ts'],
    ['xds into upstream', 'proxy/xds/a.ts', 'proxy/upstream/b.ts'],
    ['xds into the server', 'proxy/xds/a.ts', 'proxy/server/b.ts'],
    ['init into base', 'iptables-init/a.ts', 'proxy/base/b.ts'],
    ['the protobufs into base', 'xds-protos/a.ts', 'proxy/base/b.ts'],
    ['production code into tests', 'proxy/server/a.ts', 'test/support/b.ts'],
    ['a folder whose name only begins alike', 'proxy/base/a.ts', 'proxy/base-64/b.ts'],
  ];
  for (const [why, from, to] of forbidden) {
    t.test(`reports ${why}`, (t) => {
      t.strictSame(of(from, `import { b } from '${up(from)}${to}';\n`), [`${from} -> ${to}`]);
      t.end();
    });
  }

  const allowed: readonly [from: string, to: string][] = [
    ['proxy/http/a.ts', 'proxy/http/http1/b.ts'],
    ['proxy/http/a.ts', 'proxy/access-log/b.ts'],
    ['proxy/filters/http/a.ts', 'proxy/router/b.ts'],
    ['proxy/server/a.ts', 'proxy/xds/b.ts'],
    ['proxy/main.ts', 'proxy/server/b.ts'],
    ['proxy/server/a.ts', 'xds-protos/b.ts'],
    ['proxy/xds/a.ts', 'proxy/stats/b.ts'],
    ['proxy/xds/a.ts', 'xds-protos/gen/b.ts'],
    ['agent/a.ts', 'proxy/base/b.ts'],
    ['agent/a.ts', 'xds-protos/b.ts'],
    ['agent/a.ts', 'proxy/grpc/b.ts'],
    ['proxy/grpc/a.ts', 'proxy/http/http2/b.ts'],
    ['proxy/grpc/a.ts', 'xds-protos/b.ts'],
    ['proxy/server/a.ts', 'proxy/grpc/b.ts'],
  ];
  t.test('lets pass what the layers allow', (t) => {
    for (const [from, to] of allowed) {
      t.strictSame(of(from, `import { b } from '${up(from)}${to}';\n`), [], `${from} -> ${to}`);
    }
    t.end();
  });

  t.test('reports a file that belongs to no layer', (t) => {
    t.strictSame(of('proxy/helpers/a.ts', ''), ['proxy/helpers/a.ts belongs to no layer']);
    t.end();
  });
  t.end();
});

t.test('relativeImports', (t) => {
  const cases: readonly [why: string, source: string, found: readonly string[]][] = [
    ['one name', `import { a } from './a.ts';`, ['./a.ts']],
    ['several lines', `import {\n  a,\n  type B,\n} from '../a.ts';`, ['../a.ts']],
    ['a type', `import type { A } from "./a.ts";`, ['./a.ts']],
    ['a name space', `import * as a from './a.ts';`, ['./a.ts']],
    ['an export', `export { a } from './a.ts';\nexport * from './b.ts';`, ['./a.ts', './b.ts']],
    ['a bare import', `import './a.ts';`, ['./a.ts']],
    ['a dynamic import', `const a = await import(\n  './a.ts'\n);`, ['./a.ts']],
    ['the type of an import', `type A = typeof import('./a.ts');`, ['./a.ts']],
    ['packages: none', `import t from 'tap';\nimport { x } from 'node:fs';`, []],
    ['a comment: none', `// import { a } from './a.ts';\n * import './b.ts';`, []],
    ['an export of its own: none', `export const a = 1;\nconst from = './a.ts';`, []],
  ];
  for (const [why, source, found] of cases) {
    t.test(`finds ${why}`, (t) => {
      t.strictSame(relativeImports(source), found);
      t.end();
    });
  }
  t.end();
});

/** The way from a file up to the root of the tree. */
function up(from: string): string {
  const steps = from.split('/').length - 1;
  return steps === 0 ? './' : '../'.repeat(steps);
}
