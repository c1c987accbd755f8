// [m] LastGoodFile: what was appended comes back, by whoever owns it, also after a writer that was killed; never more than its bound.
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { truncateSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';

import type { Change } from '../../../agent/last-good/kept-config.ts';
import { LastGoodFile } from '../../../agent/last-good/last-good-file.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { captureLog } from '../../support/captured-log.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';

const CDS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const EDS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

interface Setup {
  readonly dir: string;
  readonly path: string;
  readonly lines: string[];
  open(nodeId?: string, maxBytes?: number): LastGoodFile;
}

function setUp(t: Teardowns): Setup {
  const dir = privateDir(t);
  const path = join(dir, 'kept');
  const { logger, lines } = captureLog();
  const open = (nodeId = 'sidecar~1.2.3.4~a.b~c', maxBytes?: number): LastGoodFile => {
    const file = new LastGoodFile({
      path,
      nodeId,
      logger,
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
    t.teardown(() => file.close());
    return file;
  };
  return { dir, path, lines, open };
}

function change(
  typeUrl: string,
  resources: Record<string, string>,
  rest?: Partial<Change>,
): Change {
  return {
    typeUrl,
    version: 'v1',
    full: false,
    resources: Object.entries(resources).map(([name, text]) => ({
      name,
      resource: { type_url: typeUrl, value: Buffer.from(text) },
    })),
    removed: [],
    ...rest,
  };
}

/** `type/name=text`, sorted. */
function contents(file: LastGoodFile): readonly string[] | undefined {
  const kept = file.read()?.kept;
  if (kept === undefined) return undefined;
  return [...kept]
    .flatMap(([typeUrl, { resources }]) =>
      [...resources].map(
        ([name, { resource }]) =>
          `${typeUrl.split('.').at(-1)}/${name}=${Buffer.from(resource!.value).toString()}`,
      ),
    )
    .sort();
}

t.test('LastGoodFile', (t) => {
  t.test('gives back what was appended, changes and removals applied', (t) => {
    const { open, path } = setUp(t);
    const file = open();
    t.equal(file.read(), undefined, 'nothing yet');
    file.startOver();
    file.append(change(CDS, { a: '1', b: '1' }));
    file.append(change(EDS, { a: 'hosts' }));
    t.equal(open().read(), undefined, 'not before it is whole');
    file.settle();
    t.strictSame(contents(open()), ['Cluster/a=1', 'Cluster/b=1', 'ClusterLoadAssignment/a=hosts']);
    file.append(change(CDS, { b: '2' }, { version: 'v2', removed: ['a'] }));
    t.strictSame(contents(open()), ['Cluster/b=2', 'ClusterLoadAssignment/a=hosts']);
    t.equal(open().read()!.kept.get(CDS)!.version, 'v2');
    file.append(change(CDS, { z: '3' }, { full: true }));
    t.strictSame(contents(open()), ['Cluster/z=3', 'ClusterLoadAssignment/a=hosts']);
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.equal(statSync(path).size, file.bytes);
    t.end();
  });

  t.test('keeps the old generation until the new one is whole', (t) => {
    const { open, dir } = setUp(t);
    const file = open();
    file.startOver();
    file.append(change(CDS, { old: '1' }));
    file.settle();
    file.startOver();
    file.append(change(CDS, { new: '1' }));
    t.strictSame(contents(open()), ['Cluster/old=1']);
    file.settle();
    t.strictSame(contents(open()), ['Cluster/new=1']);
    t.strictSame(readdirSync(dir), ['kept'], 'nothing else lies about');
    t.end();
  });

  t.test('goes on with what it served', (t) => {
    const { open } = setUp(t);
    const before = open();
    before.startOver();
    before.append(change(CDS, { a: '1' }));
    before.settle();
    before.close();
    const file = open();
    file.startOver();
    file.append(change(CDS, { half: '1' }));
    file.goOn();
    file.append(change(CDS, { b: '1' }));
    t.strictSame(contents(open()), ['Cluster/a=1', 'Cluster/b=1']);
    t.end();
  });

  t.test('reads what is whole of a file that was cut anywhere, and writes on from there', (t) => {
    const { open, path } = setUp(t);
    const file = open();
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.settle();
    const whole = statSync(path).size;
    file.append(change(CDS, { b: '1' }));
    const bytes = readFileSync(path);
    for (let size = 0; size < bytes.length; size++) {
      writeFileSync(path, bytes.subarray(0, size));
      t.strictSame(contents(open()), size < whole ? undefined : ['Cluster/a=1'], `cut at ${size}`);
    }
    truncateSync(path, bytes.length - 1);
    const next = open();
    next.goOn();
    next.append(change(CDS, { c: '1' }));
    t.strictSame(contents(open()), ['Cluster/a=1', 'Cluster/c=1']);
    t.end();
  });

  t.test('never trusts a byte that changed', (t) => {
    const { open, path } = setUp(t);
    const file = open();
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.append(change(EDS, { a: 'hosts' }));
    file.settle();
    const bytes = readFileSync(path);
    // Clusters without their hosts are no configuration.
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken[at]! ^= 0x41;
      writeFileSync(path, broken);
      t.equal(contents(open()), undefined, `byte ${at}`);
      writeFileSync(path, bytes.subarray(0, at));
      t.equal(contents(open()), undefined, `cut at ${at}`);
    }
    appendFileSync(path, randomBytes(200));
    t.doesNotThrow(() => open().read());
    t.end();
  });

  t.test('leaves what another pod or another version wrote', (t) => {
    const { open, path } = setUp(t);
    const file = open();
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.settle();
    t.equal(open('sidecar~9.9.9.9~other.b~c').read(), undefined);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.toString('latin1').replace('last-good/1', 'last-good/2'), 'latin1');
    t.equal(open().read(), undefined);
    t.end();
  });

  t.test('is written anew before it grows to much more than what is in it', (t) => {
    const { open, path } = setUp(t);
    const file = open();
    const random = new SeededRandom(5);
    // Text that does not pack.
    const text = (): string =>
      Array.from({ length: 50_000 }, () => random.nextUint32().toString(36)).join('');
    file.startOver();
    file.append(change(CDS, { a: text() }));
    file.settle();
    let largest = 0;
    let last = '';
    for (let round = 0; round < 20; round++) {
      last = text();
      file.append(change(CDS, { a: last }));
      largest = Math.max(largest, statSync(path).size);
    }
    t.ok(largest < 2_000_000, `${largest} bytes at most, of ${20 * last.length} written`);
    t.strictSame(contents(open()), [`Cluster/a=${last}`]);
    file.append(change(CDS, { b: '1' }));
    t.strictSame(contents(open()), [`Cluster/a=${last}`, 'Cluster/b=1'], 'and goes on');
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.end();
  });

  t.test('keeps nothing rather than what is left of a file that was damaged', (t) => {
    const { open, path, lines } = setUp(t);
    const file = open();
    const random = new SeededRandom(6);
    const text = (): string =>
      Array.from({ length: 50_000 }, () => random.nextUint32().toString(36)).join('');
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.append(change(EDS, { a: 'hosts' }));
    file.settle();
    truncateSync(path, 60);
    for (let round = 0; round < 10; round++) file.append(change(CDS, { b: text() }));
    t.equal(existsSync(path), false);
    t.match(lines, [/the configuration is not kept: it is not as it was written/]);
    t.end();
  });

  t.test('keeps nothing rather than more than its bound, and says so', (t) => {
    const { open, path, lines } = setUp(t);
    const file = open(undefined, 1000);
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.settle();
    file.append(change(CDS, { b: randomBytes(3000).toString('hex') }));
    t.equal(existsSync(path), false);
    t.match(
      lines.join('\n'),
      /warning .*kept: the configuration is not kept: more than 1000 bytes/,
    );
    file.append(change(CDS, { c: '1' }));
    t.equal(existsSync(path), false);
    t.equal(file.bytes, 0);
    t.end();
  });

  t.test('goes without where nothing can be written', (t) => {
    const { dir } = setUp(t);
    const { logger, lines } = captureLog();
    writeFileSync(join(dir, 'file'), '');
    const file = new LastGoodFile({ path: join(dir, 'file/kept'), nodeId: 'n', logger });
    file.startOver();
    file.append(change(CDS, { a: '1' }));
    file.settle();
    file.goOn();
    t.equal(file.read(), undefined);
    t.match(lines, [/the configuration is not kept: ENOTDIR/]);
    t.end();
  });

  t.end();
});
