// loadBootstrap: JSON and YAML, merging, flags, and messages that name the place of a mistake.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readBootstrap } from '../../../proxy/server/bootstrap-source.ts';
import { parseOptions } from '../../../proxy/server/options.ts';
import type { ServerOptions } from '../../../proxy/server/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'bootstrap-'));
t.teardown(() => rmSync(folder, { recursive: true }));

function options(args: readonly string[]): ServerOptions {
  const parsed = parseOptions(args, { availableCpus: 1, allCpus: 1, cgroupCpuDetection: true });
  if (parsed.kind !== 'run') throw new Error(parsed.text);
  return parsed.options;
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

t.test('readBootstrap', (t) => {
  t.test('reads JSON and YAML alike', async (t) => {
    const json = file(
      'a.json',
      '{"node":{"id":"n","cluster":"c"},"admin":{"address":{"pipe":{"path":"/a"}}}}',
    );
    const yaml = file(
      'a.yaml',
      'node: {id: n, cluster: c}\nadmin:\n  address:\n    pipe: {path: /a}\n',
    );
    const expected = {
      node: { id: 'n', cluster: 'c' },
      admin: { address: { pipe: { path: '/a' } } },
    };
    t.match(await readBootstrap(options(['-c', json])), expected);
    t.match(await readBootstrap(options(['-c', yaml])), expected);
    t.match(await readBootstrap(options(['--config-yaml', 'node: {id: n, cluster: c}'])), {
      node: { id: 'n' },
    });
  });

  t.test('merges --config-yaml over the file', async (t) => {
    const path = file(
      'm.yaml',
      [
        'node: {id: n, cluster: c}',
        'admin: {address: {pipe: {path: /a}}}',
        'static_resources: {clusters: [{name: one}]}',
      ].join('\n'),
    );
    const extra =
      'node: {id: m}\nadmin: {address: {socketAddress: {address: "::1", portValue: 1}}}\n' +
      'staticResources: {clusters: [{name: two}]}';
    const merged = await readBootstrap(options(['-c', path, '--config-yaml', extra]));
    t.match(merged.node, { id: 'm', cluster: 'c' });
    t.same(
      merged.static_resources?.clusters?.map(({ name }) => name),
      ['one', 'two'],
    );
    t.match(merged.admin?.address, { socket_address: { port_value: 1 } });
    t.equal(merged.admin?.address?.pipe, undefined, 'of a oneof the later wins');
  });

  t.test('lets flags about the node win over the bootstrap, as Envoy does', async (t) => {
    const args = [
      '--service-node',
      'fn',
      '--service-cluster',
      'fc',
      '--service-zone',
      'fz',
      '--stats-tag',
      'a:b',
    ];
    const message = await readBootstrap(options(['--config-yaml', 'node: {id: n}', ...args]));
    t.match(message.node, { id: 'fn', cluster: 'fc', locality: { zone: 'fz' } });
    t.match(message.stats_config?.stats_tags, [{ tag_name: 'a', fixed_value: 'b' }]);
  });

  t.test('takes unknown fields where it is told to', async (t) => {
    const text = 'node: {id: n, flavour: sweet}';
    t.match(
      await readBootstrap(options(['--config-yaml', text, '--allow-unknown-static-fields'])),
      { node: { id: 'n' } },
    );
  });

  const mistakes: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    [
      'a missing file',
      () => ['-c', join(folder, 'none.yaml')],
      /^bootstrap '.*none.yaml': cannot be read \(ENOENT.*check --config-path$/,
    ],
    ['a folder', () => ['-c', folder], /cannot be read \(EISDIR/],
    ['bad JSON', () => ['-c', file('b.json', '{"node":')], /^bootstrap '.*b.json': is not JSON: /],
    [
      'bad YAML',
      () => ['-c', file('b.yaml', 'node:\n  id: [1\nx: y')],
      /^bootstrap '.*b.yaml': is not YAML: .* line 3/,
    ],
    [
      'a key given twice',
      () => ['--config-yaml', 'node: {}\nnode: {}'],
      /^--config-yaml: is not YAML: .*unique/,
    ],
    [
      'two documents',
      () => ['--config-yaml', 'node: {}\n---\nnode: {}'],
      /^--config-yaml: is not YAML/,
    ],
    [
      'bytes that are no text',
      () => ['-c', file('c.yaml', Uint8Array.of(0xff, 0xfe))],
      /is not UTF-8 text/,
    ],
    ['protobuf bytes', () => ['-c', 'x.pb'], /protobuf files are not read/],
    ['a list', () => ['--config-yaml', '[1]'], /^--config-yaml: must be an object/],
    ['nothing', () => ['-c', file('e.yaml', '')], /must be an object/],
    [
      'an unknown field',
      () => [
        '-c',
        file(
          'u.yaml',
          'static_resources:\n  clusters:\n  - name: a\n  - name: b\n    frobnicate: 1\n',
        ),
      ],
      /^bootstrap '.*u.yaml': static_resources\.clusters\[1\]\.?.*frobnicate/,
    ],
    [
      'a wrong type',
      () => ['--config-yaml', 'admin: {address: {socket_address: {port_value: no}}}'],
      /admin\.address\.socket_address\.port_value: /,
    ],
    [
      'a wrong duration',
      () => ['--config-yaml', 'stats_flush_interval: 5'],
      /stats_flush_interval: /,
    ],
    [
      'many aliases',
      () => {
        const levels = Array.from(
          { length: 9 },
          (_, i) => `a${i + 1}: &b${i + 1} [${Array(9).fill(`*b${i}`).join(',')}]`,
        );
        return ['--config-yaml', `a0: &b0 [x]\n${levels.join('\n')}`];
      },
      /is not YAML: .*alias/i,
    ],
  ];
  for (const [name, args, expected] of mistakes) {
    t.test(`refuses ${name}, naming the place`, async (t) => {
      await t.rejects(readBootstrap(options(args())), {
        name: 'BootstrapError',
        message: expected,
      });
    });
  }
  t.end();
});
