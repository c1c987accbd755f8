// Every rule file of the sample, as the embedded control plane judges it together with the mesh's fixed part.
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { BOOKINFO_WORKLOADS, FRONT_POD } from '../../../samples/bookinfo/workloads.ts';
import { planMesh, readServices } from '../../../samples/local-mesh/plan.ts';

const ROOT = join(import.meta.dirname, '../../..');
const BOOKINFO = join(ROOT, 'samples/bookinfo');
const MESH = join(BOOKINFO, 'mesh');
const yamlFiles = (dir: string): string[] =>
  readdirSync(dir).filter((name) => name.endsWith('.yaml'));

const { workloadsYaml } = planMesh({
  mode: 'netns',
  withSidecars: true,
  workloads: BOOKINFO_WORKLOADS,
  services: readServices(readFileSync(join(MESH, 'services.yaml'), 'utf8')),
  frontPod: FRONT_POD,
  loopbackByte: 0,
});

function validate(dir: string): Promise<{ code: number; output: string }> {
  const program = join(ROOT, 'agent/bin/outrigger-control-plane');
  return new Promise((resolve) => {
    execFile(program, ['--config', dir, '--validate'], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, output: `${stdout}${stderr}` }),
    );
  });
}

t.jobs = 3;

for (const folder of ['active', 'rules', 'rules/v1alpha2']) {
  for (const name of yamlFiles(join(BOOKINFO, folder))) {
    t.test(`${folder}/${name} is accepted without a word`, async (t) => {
      const dir = mkdtempSync(join(tmpdir(), 'outrigger-rules-'));
      t.teardown(() => rmSync(dir, { recursive: true }));
      for (const file of yamlFiles(MESH)) copyFileSync(join(MESH, file), join(dir, file));
      writeFileSync(join(dir, 'workloads.yaml'), workloadsYaml);
      copyFileSync(join(BOOKINFO, folder, name), join(dir, 'routing.yaml'));
      t.same(await validate(dir), { code: 0, output: '' });
    });
  }
}
