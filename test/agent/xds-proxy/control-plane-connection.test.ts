// The relay's way to a control plane over TLS: who is let in, by what, and what is never sent.
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';

import { issueLeaf } from '../../../agent/control-plane/ca/certificate-issuer.ts';
import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import { NameTableHandler } from '../../../agent/xds-proxy/response-handlers.ts';
import { XdsProxy } from '../../../agent/xds-proxy/xds-proxy.ts';
import { realTime } from '../../../proxy/base/clock.ts';
import { GrpcThread } from '../../../proxy/grpc/grpc-thread.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { connectAds } from '../../../xds-protos/services.ts';
import type { JsonObject } from '../../../xds-protos/well-known-types.ts';
import { makeOptions } from '../../support/agent-options.ts';
import { captureLog } from '../../support/captured-log.ts';
import { eventually } from '../../support/eventually.ts';
import { putFile, startLocalAuthority } from '../../support/local-authority.ts';
import type { LocalAuthority } from '../../support/local-authority.ts';
import { privateDir } from '../../support/private-dir.ts';

const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

function putIdentity(dir: string, { material }: LocalAuthority, account: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const name = `spiffe://cluster.local/ns/default/sa/${account}`;
  const now = Date.now();
  const chain = issueLeaf(
    material.issuer,
    { spki, names: [{ kind: 'uri', value: name }] },
    { notBeforeMs: now - 60_000, notAfterMs: now + 3_600_000 },
  );
  putFile(join(dir, 'cert-chain.pem'), chain);
  putFile(join(dir, 'key.pem'), String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
}

t.test('ADS over TLS', async (t) => {
  const authority = await startLocalAuthority(t);
  const stranger = await startLocalAuthority(t);
  const rows: readonly {
    readonly name: string;
    readonly root?: string;
    readonly token?: string;
    readonly serviceAccount?: string;
    /** Shows a certificate of this account, from the folder PROV_CERT. */
    readonly provisioned?: string;
    readonly variables?: Readonly<Record<string, string>>;
    readonly ends: RegExp | undefined;
  }[] = [
    { name: 'is served to a workload with its token', ends: undefined },
    {
      name: 'is served to a workload with a provisioned certificate',
      token: '',
      provisioned: 'bookinfo-reviews',
      ends: undefined,
    },
    {
      name: 'is refused to a certificate of another account',
      token: '',
      provisioned: 'bookinfo-ratings',
      ends: /status 7: authorization failed: no identities \(default\/bookinfo-ratings\)/,
    },
    {
      name: 'is refused without a token',
      token: '',
      ends: /status 16: authentication failure \(no token was shown, as \S+\/token holds none\)/,
    },
    {
      name: 'is refused with a token that is over',
      token: authority.token('bookinfo-reviews', Date.now() - 1000),
      ends: /status 16: authentication failure$/,
    },
    {
      name: 'is refused to a workload that says it is another',
      serviceAccount: 'bookinfo-ratings',
      ends: /status 7: authorization failed: no identities \(default\/bookinfo-reviews\) matched default\/bookinfo-ratings/,
    },
    {
      name: 'is not asked of a server with another root',
      root: stranger.material.rootPem,
      ends: /status 14: .*self.signed certificate/,
    },
    {
      name: 'is not asked of a server with another name',
      variables: { ISTIOD_SAN: 'istiod.elsewhere.svc' },
      ends: /status 14: .*istiod\.elsewhere\.svc/,
    },
    {
      name: 'knows the name that ISTIOD_SAN gives',
      variables: { ISTIOD_SAN: 'istiod.istio-system.svc' },
      ends: undefined,
    },
  ];
  for (const { name, root, token, serviceAccount, provisioned, variables, ends } of rows) {
    t.test(name, async (t) => {
      const dir = privateDir(t);
      const certificates = join(dir, 'prov');
      if (provisioned !== undefined) putIdentity(certificates, authority, provisioned);
      const { controlPlane, node } = await makeOptions({
        variables: {
          XDS_ADDR: authority.target,
          XDS_ROOT_CA: putFile(join(dir, 'root.pem'), root ?? authority.material.rootPem),
          SERVICE_ACCOUNT: serviceAccount ?? 'bookinfo-reviews',
          ...(provisioned === undefined ? {} : { PROV_CERT: certificates }),
          ...variables,
        },
        proxyConfig: { controlPlaneAuthPolicy: 'MUTUAL_TLS' },
      });
      const tokenFile = putFile(join(dir, 'token'), token ?? authority.token());
      const { logger } = captureLog();
      const proxy = new XdsProxy({
        controlPlane: { ...controlPlane, token: { kind: 'file', path: tokenFile } },
        wantsNames: true,
        nameTable: new NameTableHandler(),
        lastGoodFile: undefined,
        onTrustBundle: () => {},
        grpc: new GrpcThread(realTime),
        metrics: new AgentMetrics(),
        logger,
        time: realTime,
        random: new SeededRandom(1),
      });
      const socket = join(dir, 'XDS');
      await proxy.listen(socket);
      t.teardown(() => proxy.close());
      const connection = connectAds(`unix:${socket}`);
      const stream = connection.delta();
      t.teardown(() => {
        stream.cancel();
        connection.close();
      });
      let clusters = 0;
      let end: string | undefined;
      stream.onMessage((response) => (clusters += response.resources?.length ?? 0));
      stream.onEnd(({ reason }) => (end = reason));
      stream.send({
        node: { id: node.id, metadata: node.metadata as JsonObject },
        type_url: CLUSTERS,
      });
      await eventually('an answer or an end', () => clusters > 0 || end !== undefined);
      if (ends === undefined) t.ok(clusters >= 3, `${clusters} clusters, end: ${end}`);
      else t.match(end, ends);
    });
  }
});
