// Secrets as the proxy gets them: over real gRPC, from files, static; shared, waited for, rotated, refused.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { secretKey } from '../../../proxy/config/secret-config.ts';
import type { SecretConfig, SecretRef } from '../../../proxy/config/secret-config.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import type { SecretUser } from '../../../proxy/tls/secret-waits.ts';
import { decodeSecret } from '../../../proxy/xds/secret-decoder.ts';
import { DiscoveryChannels } from '../../../proxy/xds/discovery-channels.ts';
import { SecretManager } from '../../../proxy/xds/secret-manager.ts';
import { encode } from '../../../xds-protos/codec.ts';
import type { Secret } from '../../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { channelTo } from '../../support/grpc-channel-to.ts';
import { privateDir } from '../../support/private-dir.ts';
import type { Teardowns } from '../../support/private-dir.ts';
import { serveWorkloadSecrets, TestSecretServer } from '../../support/secret-server.ts';
import { isPair, TestAuthority } from '../../support/test-authority.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

interface Setup {
  readonly manager: SecretManager;
  /** By key, as workers would have them. */
  readonly published: Map<string, SecretConfig>;
  readonly stats: StatsStore;
  readonly lines: readonly string[];
  readonly adsNames: string[][];
  settled: number;
  connectable: boolean;
  counter(name: string): number;
}

function setUp(t: Teardowns, target = '127.0.0.1:1', hasAds = false): Setup {
  const published = new Map<string, SecretConfig>();
  const stats = new StatsStore();
  const log = captureLog();
  const adsNames: string[][] = [];
  const manager = new SecretManager({
    sink: {
      publishSecret: (key, secret) => void published.set(key, secret),
      removeSecret: (key) => void published.delete(key),
    },
    channels: new DiscoveryChannels({
      connect: () => (setup.connectable ? channelTo(target) : 'there is no such cluster'),
      node: { id: 'n', cluster: 'c', metadataJson: '{}', locality: undefined },
      userAgentVersion: '',
      time: realTime,
    }),
    hasAds,
    onAdsNames: (names) => adsNames.push([...names]),
    onSettled: () => setup.settled++,
    nodeOnFirstMessageOnly: true,
    time: realTime,
    random: new SeededRandom(1),
    stats,
    log: log.logger,
  });
  t.teardown(() => manager.close());
  const setup: Setup = {
    manager,
    published,
    stats,
    lines: log.lines,
    adsNames,
    settled: 0,
    connectable: true,
    counter: (name) => stats.value(stats.counter(name)),
  };
  return setup;
}

const overGrpc = (name: string, more: { delta?: boolean; timeoutMs?: number } = {}): SecretRef => ({
  name,
  source: { kind: 'grpc', cluster: 'sds-grpc', delta: more.delta ?? false },
  initialFetchTimeoutMs: more.timeoutMs ?? 0,
});

function userOf(...refs: readonly SecretRef[]): SecretUser & { count: number } {
  const user = { refs, count: 0, onSecret: () => void user.count++ };
  return user;
}

const certificateOf = (secret: SecretConfig | undefined): { chainPem: string; keyPem: string } => {
  if (secret?.kind !== 'certificate') throw new Error('no certificate');
  const { certificateChain: chain, privateKey: key } = secret;
  if (chain.kind !== 'inline' || key.kind !== 'inline') throw new Error('workers read no files');
  return { chainPem: chain.pem, keyPem: key.pem };
};

t.test('secrets over gRPC', async (t) => {
  for (const delta of [false, true]) {
    t.test(`come by name, by ${delta ? 'delta' : 'state of the world'}`, async (t) => {
      const { target, server, authority } = await serveWorkloadSecrets(t);
      const { manager, published, counter } = setUp(t, target);
      const [identity, roots] = [overGrpc('default', { delta }), overGrpc('ROOTCA', { delta })];
      const [cluster, listener] = [userOf(identity, roots), userOf(identity)];
      manager.retain(cluster);
      manager.retain(listener);
      t.notOk(manager.ready(cluster.refs), 'waited for');
      await eventually('both came', () => manager.ready(cluster.refs));
      t.ok(isPair(certificateOf(published.get(secretKey(identity)))));
      t.match(published.get(secretKey(roots)), {
        kind: 'validation',
        trustedCa: { kind: 'inline', pem: authority.rootPem },
      });
      t.equal(server.streamCount, 2, 'a stream for each secret, shared by its users');
      t.same([cluster.count, listener.count], [2, 1], 'each user hears of its own');
      t.equal(counter('sds.default.update_attempt'), 2, 'as Envoy counts');
      t.equal(counter('sds.default.update_success'), 1);

      const next = authority.identity('spiffe://cluster.local/ns/default/sa/next');
      server.setIdentity('default', next);
      await eventually('rotated', () => listener.count === 2);
      t.same(certificateOf(published.get(secretKey(identity))), next, 'both parts at once');

      manager.release(cluster);
      manager.release(listener);
      await eventually('closed', () => server.streamCount === 0);
      t.equal(published.size, 0, 'what nobody needs, workers forget');
    });
  }

  t.test('that cannot be used are refused by field, and the good one stays', async (t) => {
    const { target, server, authority } = await serveWorkloadSecrets(t);
    const { manager, published, counter, lines } = setUp(t, target);
    const ref = overGrpc('default');
    const user = userOf(ref);
    manager.retain(user);
    await eventually('it came', () => manager.ready(user.refs));
    const good = certificateOf(published.get(secretKey(ref)));
    const other = authority.identity('spiffe://cluster.local/ns/x/sa/y');
    const bad: readonly [{ chainPem: string; keyPem: string }, string][] = [
      [
        { ...good, chainPem: 'nonsense' },
        'tls_certificate.certificate_chain: Failed to load certificate chain from <inline>',
      ],
      [
        { ...good, keyPem: 'nonsense' },
        'tls_certificate.private_key: Failed to load private key from <inline>',
      ],
      [{ ...good, keyPem: other.keyPem }, 'Cause: it is not of the certificate'],
    ];
    for (const [index, [material, reason]] of bad.entries()) {
      server.setIdentity('default', material);
      await eventually('refused', () => counter('sds.default.update_rejected') === index + 1);
      await eventually('told', () => server.lines.some((line) => line.includes(reason)));
    }
    t.same(certificateOf(published.get(secretKey(ref))), good);
    t.equal(user.count, 1);
    const [entry] = manager.dump().entries;
    t.match(entry, { state: 'active', errorState: { details: /not of the certificate/ } });
    for (const text of [...lines, ...server.lines]) {
      t.notMatch(text, /BEGIN|nonsense/, 'no material in words');
    }
    server.setIdentity('default', other);
    await eventually('healed', () => user.count === 2);
    t.same(certificateOf(published.get(secretKey(ref))), other);
  });

  t.test('of a first load that is refused, or overdue, are waited for no longer', async (t) => {
    const server = new TestSecretServer();
    t.teardown(() => server.close());
    const target = await server.listen('127.0.0.1:0');
    server.setRoots('bad', 'nonsense');
    const setup = setUp(t, target);
    const { manager, counter } = setup;
    const [bad, late] = [userOf(overGrpc('bad')), userOf(overGrpc('late', { timeoutMs: 50 }))];
    const forever = userOf(overGrpc('forever'));
    for (const user of [bad, late, forever]) manager.retain(user);
    await eventually('settled', () => manager.ready(bad.refs) && manager.ready(late.refs));
    t.equal(counter('sds.late.init_fetch_timeout'), 1);
    t.equal(counter('sds.bad.update_rejected'), 1);
    t.notOk(manager.ready(forever.refs), '0 is for ever');
    await eventually('told', () => setup.settled > 0);
    t.same(
      manager.dump().entries.map(({ name, state, version }) => [name, state, version]),
      [
        ['bad', 'warming', 'uninitialized'],
        ['late', 'warming', 'uninitialized'],
        ['forever', 'warming', 'uninitialized'],
      ],
    );
  });

  t.test('wait for their cluster, and for their server', async (t) => {
    const { target, server } = await serveWorkloadSecrets(t);
    const setup = setUp(t, target);
    setup.connectable = false;
    const user = userOf(overGrpc('default'));
    setup.manager.retain(user);
    await eventually('told', () => setup.lines.some((line) => /no such cluster/.test(line)));
    setup.connectable = true;
    await eventually('it came', () => setup.manager.ready(user.refs));
    server.close();
    await eventually('lost', () => setup.counter('sds.default.update_failure') > 1);
    t.equal(setup.published.size, 1, 'what came stays');
  });

  t.test('of one name and two sources are two (attack 65)', async (t) => {
    const { target } = await serveWorkloadSecrets(t);
    const { manager, published } = setUp(t, target);
    const path = join(privateDir(t), 'sds.json');
    const pair = new TestAuthority().identity('spiffe://other/ns/a/sa/b');
    writeFileSync(path, fileOf('default', pair));
    const file: SecretRef = {
      name: 'default',
      source: { kind: 'path', path, watchedDirectory: '' },
      initialFetchTimeoutMs: 0,
    };
    const user = userOf(overGrpc('default'), file);
    manager.retain(user);
    await eventually('both came', () => manager.ready(user.refs));
    t.equal(published.size, 2);
    t.same(certificateOf(published.get(secretKey(file))), pair);
  });
});

const fileOf = (name: string, pair: { chainPem: string; keyPem: string }): string =>
  JSON.stringify({
    resources: [
      {
        '@type': `type.googleapis.com/${SECRET}`,
        name,
        tls_certificate: {
          certificate_chain: { inline_string: pair.chainPem },
          private_key: { inline_string: pair.keyPem },
        },
      },
    ],
  });

t.test('secrets from a file', async (t) => {
  t.test('are read again when the file is replaced', async (t) => {
    const { manager, published, counter, lines } = setUp(t);
    const dir = privateDir(t);
    const path = join(dir, 'sds.json');
    const authority = new TestAuthority();
    const replace = (text: string): void => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    const [one, two] = [authority.identity('spiffe://a/b'), authority.identity('spiffe://a/c')];
    replace(fileOf('mine', one));
    const source = { kind: 'path', path, watchedDirectory: '' } as const;
    const ref: SecretRef = { name: 'mine', source, initialFetchTimeoutMs: 0 };
    manager.retain(userOf(ref));
    await eventually('it came', () => published.size === 1);
    t.same(certificateOf(published.get(secretKey(ref))), one);
    for (const [index, [text, reason]] of [
      [
        `{"resources": [], "${one.keyPem.slice(40, 60).replaceAll('\n', '')}": }`,
        /Unable to parse/,
      ],
      ['{"resources": []}', /Missing SDS resources for mine in onConfigUpdate\(\)/],
      [fileOf('yours', two), /Unexpected SDS secret \(expecting mine\): yours/],
      [fileOf('mine', { ...two, keyPem: one.keyPem }), /it is not of the certificate/],
    ].entries() as Iterable<[number, [string, RegExp]]>) {
      replace(text);
      await eventually(`refusal ${index}`, () => counter('sds.mine.update_rejected') === index + 1);
      t.match(lines.at(-1), reason);
      t.notMatch(lines.join('\n'), one.keyPem.slice(40, 60), 'no part of a key in words');
    }
    t.same(certificateOf(published.get(secretKey(ref))), one);
    replace(fileOf('mine', two));
    await eventually(
      'rotated',
      () => certificateOf(published.get(secretKey(ref))).keyPem === two.keyPem,
    );
    t.equal(counter('sds.mine.update_success'), 2);
  });

  t.test('and files that a secret names are given to workers inline, and watched', async (t) => {
    const { target, server } = await serveWorkloadSecrets(t);
    const { manager, published } = setUp(t, target);
    const crlFile = join(privateDir(t), 'ca-crl.pem');
    const authority = new TestAuthority();
    server.set('ROOTCA', { kind: 'roots', rootPem: authority.rootPem, crlFile });
    const user = userOf(overGrpc('ROOTCA'));
    manager.retain(user);
    await eventually('refused', () =>
      server.lines.some((line) =>
        /validation_context\.crl: Invalid path: .*ca-crl\.pem/.test(line),
      ),
    );
    t.equal(published.size, 0);
  });
});

t.test('static secrets', (t) => {
  const { manager, published } = setUp(t);
  const pair = new TestAuthority().identity('spiffe://a/b');
  const message: Secret = {
    name: 'mine',
    tls_certificate: {
      certificate_chain: { inline_string: pair.chainPem },
      private_key: { inline_string: pair.keyPem },
    },
  };
  const ref: SecretRef = { name: 'mine', source: { kind: 'static' }, initialFetchTimeoutMs: 0 };
  t.equal(manager.problem([ref]), 'Unknown static secret: mine');
  const raw = encode(SECRET, message);
  manager.addStatic([{ name: 'mine', version: '', raw, config: decodeSecret(message, '') }]);
  t.equal(manager.problem([ref]), undefined);
  t.ok(manager.ready([ref]));
  t.same(certificateOf(published.get(secretKey(ref))), pair);
  t.match(manager.dump().entries, [{ name: 'mine', state: 'static' }]);
  t.end();
});

t.test('secrets of the aggregated stream', async (t) => {
  const ref: SecretRef = {
    name: 'kubernetes://web',
    source: { kind: 'ads' },
    initialFetchTimeoutMs: 0,
  };
  t.match(setUp(t).manager.problem([ref]), /the bootstrap has no ads_config/);
  const { manager, published, adsNames, counter } = setUp(t, '127.0.0.1:1', true);
  const user = userOf(ref);
  manager.retain(user);
  t.same(adsNames, [['kubernetes://web']]);
  const pair = new TestAuthority().identity('spiffe://a/b');
  const message: Secret = {
    name: ref.name,
    tls_certificate: {
      certificate_chain: { inline_string: pair.chainPem },
      private_key: { inline_string: pair.keyPem },
    },
  };
  const config = decodeSecret(message, 'v1');
  const problems = manager.adsWatcher.onUpdate(
    [{ name: ref.name, version: 'v1', raw: encode(SECRET, message), config }],
    [],
  );
  t.same(problems, []);
  t.same(certificateOf(published.get(secretKey(ref))), pair);
  t.equal(counter('sds.kubernetes://web.update_success'), 1);
  manager.release(user);
  await eventually('asked for no longer', () => adsNames.at(-1)?.length === 0);
});
