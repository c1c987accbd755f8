// The main job, end to end: npm start with sidecars, a page through them, a weight changed in YAML and seen in the split.
// @serial
// @timeout 300 s
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import { findNamespaceSupport } from '../../samples/local-mesh/netns.ts';
import { ROOT, startMesh } from '../support/local-mesh.ts';

const BOOKINFO = join(ROOT, 'samples/bookinfo');
const PUSH_LIMIT_MS = 20_000;

interface Asked {
  readonly version: string | null;
  readonly status: string | null;
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Asked> {
  const response = await fetch(url, { headers });
  await response.arrayBuffer();
  return {
    version: response.headers.get('x-bookinfo-reviews-version'),
    status: response.headers.get('x-bookinfo-reviews-status'),
  };
}

async function versions(url: string, count: number): Promise<Map<string | null, number>> {
  const counts = new Map<string | null, number>();
  for (let i = 0; i < count; i++) {
    const { version } = await ask(url);
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  return counts;
}

/** A push takes a moment to reach the sidecars. */
async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  const deadlineMs = performance.now() + PUSH_LIMIT_MS;
  while (performance.now() < deadlineMs) {
    if (await holds()) return true;
    await sleep(100);
  }
  return false;
}

function adminsOf(output: string): Map<string, string> {
  const found = output.matchAll(/^ {4}(\S+-v\d) +(http:\S+)$/gm);
  return new Map([...found].map(([, pod, url]) => [pod!, url!]));
}

/** Regular files below `dir` whose text matches. */
function filesWith(dir: string, pattern: RegExp): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => pattern.test(readFileSync(path, 'utf8')))
    .map((path) => relative(dir, path));
}

// Two meshes, one after the other, of nineteen processes each.
t.setTimeout(300_000);

const support = await findNamespaceSupport(ROOT);
const onLinux = { skip: process.platform !== 'linux', timeout: 240_000 };
const withNamespaces = support.ok ? onLinux : { skip: support.reason };

for (const [mode, options] of [
  ['loopback', onLinux],
  ['netns', withNamespaces],
] as const) {
  t.test(`npm start with sidecars, mode ${mode}`, options, async (t) => {
    const rules = mkdtempSync(join(tmpdir(), 'outrigger-rules-'));
    t.teardown(() => rmSync(rules, { recursive: true }));
    const active = join(rules, 'routing.yaml');
    copyFileSync(join(BOOKINFO, 'rules/split-80-20.yaml'), active);
    const mesh = await startMesh(['--mode', mode, '--config', rules]);
    t.teardown(() => mesh.child.kill('SIGKILL'));

    await t.test('serves the page through its sidecar', async (t) => {
      const response = await fetch(mesh.url);
      t.equal(response.status, 200);
      t.equal(response.headers.get('server'), 'istio-envoy');
      t.match(await response.text(), 'William Shakespeare');
    });

    await t.test(
      'is STRICT: mTLS between sidecars, and plaintext from outside is refused',
      async (t) => {
        const admins = adminsOf(mesh.output());
        const page = admins.get('productpage-v1');
        const dump = await (await fetch(`${page}/config_dump`)).text();
        t.match(dump, '"dynamic_active_secrets"');
        t.match(dump, Buffer.from('[redacted]').toString('base64'), 'keys are blotted out');
        const keysIn = filesWith(mesh.runDir, /PRIVATE KEY/);
        t.same(keysIn.toSorted(), ['ca/ca-key.pem', 'ca/token-key.pem'], 'no key leaves a process');
        for (const file of keysIn)
          t.equal(statSync(join(mesh.runDir, file)).mode & 0o777, 0o600, file);
        t.equal(statSync(join(mesh.runDir, 'ca')).mode & 0o777, 0o700);
        const logs = join(mesh.runDir, 'logs');
        const token = readFileSync(
          join(mesh.runDir, 'pods/details-v1/var/run/secrets/tokens/istio-token'),
          'utf8',
        );
        t.same(filesWith(logs, new RegExp(token.split('.')[2]!)), [], 'no token in a log');
        t.notMatch(dump, token);
        const sni =
          /"GET \/details\/0 HTTP\/1\.1" 200 .*outbound_\.9080_\._\.details\.default\.svc/;
        const seen = async (): Promise<boolean> =>
          sni.test(readFileSync(join(logs, 'details-v1.sidecar.log'), 'utf8'));
        t.ok(await eventually(seen), 'what came had the server name of Istio mTLS');
        const outside =
          mode === 'loopback' ? new URL(`${page}`).hostname.replace('.11.', '.12.') : '';
        if (outside !== '') await t.rejects(fetch(`http://${outside}:9080/details/0`));
      },
    );

    await t.test('splits as the rule says, and never to a version without weight', async (t) => {
      const counts = await versions(mesh.url, 100);
      t.notOk(counts.has('v2'));
      // 80 of 100: less than 60 happens once in a million runs.
      t.ok((counts.get('v1') ?? 0) > 60, JSON.stringify([...counts]));
      t.ok((counts.get('v3') ?? 0) > 2, JSON.stringify([...counts]));
    });

    await t.test('has an edited weight a moment after the file is saved', async (t) => {
      const text = readFileSync(active, 'utf8');
      writeFileSync(
        active,
        text.replace('weight: 80', 'weight: 0').replace('weight: 20', 'weight: 100'),
      );
      t.ok(await eventually(async () => (await versions(mesh.url, 10)).get('v3') === 10));
    });

    await t.test('keeps the last good rules while the file is broken', async (t) => {
      writeFileSync(active, 'kind: [');
      await sleep(500);
      t.equal((await versions(mesh.url, 10)).get('v3'), 10);
    });

    await t.test('tells jason from the others, and the rule languages agree', async (t) => {
      const cookie = 'user=jason';
      for (const folder of ['rules', 'rules/v1alpha2']) {
        copyFileSync(join(BOOKINFO, folder, 'all-v1.yaml'), active);
        t.ok(await eventually(async () => (await ask(mesh.url, { cookie })).version === 'v1'));
        copyFileSync(join(BOOKINFO, folder, 'jason-v2.yaml'), active);
        t.ok(
          await eventually(async () => (await ask(mesh.url, { cookie })).version === 'v2'),
          folder,
        );
        t.equal((await ask(mesh.url)).version, 'v1');
      }
    });

    await t.test('shows an aborted call in the page, and a timeout as 504', async (t) => {
      copyFileSync(join(BOOKINFO, 'rules/abort-400.yaml'), active);
      t.ok(
        await eventually(async () =>
          (await (await fetch(mesh.url)).text()).includes(
            'ratings answered 400: fault filter abort',
          ),
        ),
      );
      copyFileSync(join(BOOKINFO, 'rules/timeout-1s.yaml'), active);
      t.ok(await eventually(async () => (await ask(mesh.url)).status === '504'));
    });

    await t.test('prints an admin address for each sidecar that answers', async (t) => {
      const urls = [...adminsOf(mesh.output()).values()];
      t.equal(urls.length, 6);
      for (const url of urls) t.match(await (await fetch(`${url}/ready`)).text(), 'LIVE');
    });

    await t.test('leaves nothing behind', async (t) => {
      mesh.child.kill('SIGINT');
      t.equal(await mesh.ended, 0);
      t.notOk(existsSync(mesh.runDir));
      await t.rejects(fetch(mesh.url));
    });
  });
}
