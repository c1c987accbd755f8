// The plan of the local mesh, in both modes, and the files it goes with.
import { readdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';

import { BOOKINFO_WORKLOADS, FRONT_POD } from '../../../samples/bookinfo/workloads.ts';
import { readStartFlags } from '../../../samples/local-mesh/options.ts';
import { planMesh, readServices } from '../../../samples/local-mesh/plan.ts';
import type { MeshMode, MeshPlan } from '../../../samples/local-mesh/plan.ts';
import { reportText } from '../../../samples/local-mesh/report.ts';

const BOOKINFO = join(import.meta.dirname, '../../../samples/bookinfo');
const services = readServices(readFileSync(join(BOOKINFO, 'mesh/services.yaml'), 'utf8'));

const plan = (
  mode: MeshMode,
  more: { withSidecars?: boolean; loopbackByte?: number } = {},
): MeshPlan =>
  planMesh({
    mode,
    withSidecars: true,
    workloads: BOOKINFO_WORKLOADS,
    services,
    frontPod: FRONT_POD,
    loopbackByte: 77,
    ...more,
  });

t.test('readServices', async (t) => {
  await t.test('reads hosts, addresses and ports of the sample', async (t) => {
    t.same(services.map(({ name }) => name).sort(), [
      'details',
      'productpage',
      'ratings',
      'reviews',
    ]);
    t.match(
      services.find(({ name }) => name === 'reviews'),
      {
        host: 'reviews.default.svc.cluster.local',
        clusterIp: '10.96.0.13',
        port: 9080,
      },
    );
  });

  await t.test('says which service lacks what', async (t) => {
    t.throws(
      () => readServices('kind: Service\nmetadata: {name: x}\nspec: {}\n'),
      /Service x needs spec\.clusterIP/,
    );
  });
});

t.test('planMesh', async (t) => {
  for (const mode of ['netns', 'loopback'] as const) {
    await t.test(`gives every pod of mode ${mode} addresses of its own`, async (t) => {
      const { pods, controlPlane } = plan(mode);
      t.equal(pods.length, BOOKINFO_WORKLOADS.length);
      const addresses = [controlPlane.address, ...pods.map(({ address }) => address)];
      t.equal(new Set(addresses).size, addresses.length);
      t.ok(addresses.every((address) => isIP(address) === 4));
    });

    await t.test(`tells the control plane the pods of mode ${mode}`, async (t) => {
      const { pods, workloadsYaml } = plan(mode);
      const entries = parseAllDocuments(workloadsYaml).map(
        (document) => document.toJS() as WorkloadEntry,
      );
      t.same(
        entries.map(({ metadata, spec }) => [metadata.name, spec.address, spec.labels]),
        pods.map(({ name, address, app, version }) => [name, address, { app, version }]),
      );
    });

    await t.test(`survives being sent as a message, in mode ${mode}`, async (t) => {
      t.same(JSON.parse(JSON.stringify(plan(mode))), plan(mode));
    });
  }

  await t.test('lets applications of namespaces dial the real service addresses', async (t) => {
    const page = plan('netns').pods[0];
    t.match(page?.appFlags, /--resolve=reviews=10\.96\.0\.13/);
    t.equal(page?.agentEnv['OUTRIGGER_ADMIN_ADDRESS'], '0.0.0.0');
    t.notOk('ISTIO_META_OUTRIGGER_NO_REDIRECT' in (page?.agentEnv ?? {}));
  });

  await t.test(
    'lets applications of loopback pods dial what their own sidecar binds',
    async (t) => {
      for (const pod of plan('loopback').pods) {
        const env = pod.agentEnv;
        const given = JSON.parse(env['ISTIO_META_OUTRIGGER_SERVICE_ADDRESSES'] ?? '') as Record<
          string,
          string
        >;
        const dialed = pod.appFlags.flatMap(
          (flag) => /^--resolve=(.+)=(.+)$/.exec(flag)?.slice(1, 3) ?? [],
        );
        for (let i = 0; i < dialed.length; i += 2) {
          t.equal(
            given[`${dialed[i]}.default.svc.cluster.local`],
            dialed[i + 1],
            `${pod.name} dials ${dialed[i]}`,
          );
        }
        t.equal(env['ISTIO_META_OUTRIGGER_APP_ADDRESS'], pod.appListen.address);
        t.equal(env['ISTIO_META_OUTRIGGER_INBOUND_ADDRESS'], pod.address);
        t.not(
          pod.appListen.address,
          pod.address,
          'the sidecar has the address of the pod for itself',
        );
      }
    },
  );

  await t.test('keeps two loopback meshes apart', async (t) => {
    const all = (byte: number): string => JSON.stringify(plan('loopback', { loopbackByte: byte }));
    t.notMatch(all(78), /127\.77\./);
  });

  await t.test('leads names straight to pods where there are no sidecars', async (t) => {
    for (const mode of ['netns', 'loopback'] as const) {
      const { pods } = plan(mode, { withSidecars: false });
      const reviews = pods.find(({ name }) => name === 'reviews-v1');
      t.match(pods[0]?.appFlags.join(' '), `--resolve=reviews=${reviews?.address}`);
      t.same(pods[0]?.agentEnv, {});
    }
  });
});

interface WorkloadEntry {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly address: string; readonly labels: Readonly<Record<string, string>> };
}

t.test('sample rules', async (t) => {
  const folders = ['mesh', 'active', 'rules', 'rules/v1alpha2'];
  for (const folder of folders) {
    for (const name of readdirSync(join(BOOKINFO, folder)).filter(
      (file) => file.endsWith('.yaml') && file !== 'mesh.yaml',
    )) {
      await t.test(`${folder}/${name} is clean YAML with a kind and a name each`, async (t) => {
        for (const document of parseAllDocuments(
          readFileSync(join(BOOKINFO, folder, name), 'utf8'),
        )) {
          t.same([...document.errors, ...document.warnings], []);
          const { kind, metadata } = document.toJS() as {
            kind: string;
            metadata: { name: string };
          };
          t.ok(kind !== '' && metadata.name !== '');
        }
      });
    }
  }

  await t.test('come in both languages', async (t) => {
    const names = (folder: string): string[] =>
      readdirSync(join(BOOKINFO, folder)).filter((name) => name.endsWith('.yaml'));
    t.same(names('rules/v1alpha2').sort(), names('rules').sort());
  });
});

t.test('readStartFlags', async (t) => {
  await t.test('has defaults for all', async (t) => {
    t.same(readStartFlags([]), {
      mode: 'auto',
      port: undefined,
      address: '127.0.0.1',
      rulesDir: undefined,
      withSidecars: true,
      help: false,
    });
  });

  for (const [flags, message] of [
    [['--mode', 'docker'], /--mode: "docker" is none of/],
    [['--port', '0'], /--port: "0" is no port/],
    [['--port', 'x'], /--port: "x" is no port/],
    [['--what'], /--what/],
    [['word'], /word/],
  ] as const) {
    await t.test(`refuses ${flags.join(' ')}`, async (t) => {
      t.throws(() => readStartFlags(flags), { message });
    });
  }
});

t.test('reportText', async (t) => {
  const input = {
    mode: 'loopback',
    withSidecars: true,
    base: 'http://localhost:9081',
    rulesFile: 'active/routing.yaml',
    rulesExamples: 'rules',
    logDir: 'logs',
    admins: new Map([['reviews-v1', 'http://127.77.14.1:15000']]),
  } as const;

  await t.test(
    'names the page, the mode, the rules, the admin pages and what to try',
    async (t) => {
      const text = reportText(input);
      for (const part of [
        'http://localhost:9081/productpage',
        'loopback:',
        'active/routing.yaml',
        'http://127.77.14.1:15000',
        'Ctrl-C',
      ]) {
        t.match(text, part);
      }
      t.match(text, 'npm run split -- 100 http://localhost:9081/productpage');
    },
  );

  await t.test('leaves the address out of the command where it is the default', async (t) => {
    t.match(reportText({ ...input, base: 'http://localhost:9080' }), /npm run split -- 100\n/);
  });

  await t.test('says that there is no mesh', async (t) => {
    t.match(
      reportText({ ...input, withSidecars: false, admins: new Map() }),
      'rules have no effect',
    );
  });
});
