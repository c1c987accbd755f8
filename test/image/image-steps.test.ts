// The Dockerfile, performed without Docker and without a network: the packages are those of this tree.
// @long
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseDockerfile } from './image-steps.ts';
import { imageSuite } from './image-suite.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('Dockerfile', (t) => {
  const steps = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));

  t.test('copies nothing that .dockerignore keeps out', (t) => {
    const letIn = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = steps
      .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from='))
      .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1));
    t.strictSame(sources.toSorted(), letIn.toSorted());
    t.end();
  });

  t.test('builds on the Node that package.json asks for', (t) => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const major = /\d+/.exec(engines.node)![0];
    const bases = steps.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0]);
    t.strictSame(bases, [`node:${major}-slim`, `node:${major}-slim`]);
    t.end();
  });
  t.end();
});

imageSuite('Image', true);
