// @long @timeout 300 s
// h2spec, all of its cases, against a listener of ours. Its binary: H2SPEC_BIN, or in PATH.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import t from 'tap';

import { findProgram } from '../../bench/load/find-program.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { certificateOf, downstreamTls } from '../support/tls-samples.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';

t.setTimeout(280_000);

type Json = { readonly [key: string]: unknown };

const h2spec = process.env['H2SPEC_BIN'] ?? findProgram('h2spec', process.env);

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return output;
}

t.test(
  'h2spec passes',
  { skip: h2spec === undefined && 'h2spec was not found: set H2SPEC_BIN' },
  async (t) => {
    const origin = createServer((request, response) => {
      request.resume().once('end', () => response.end('answer'.repeat(20)));
    });
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      origin.closeAllConnections();
      origin.close();
    });
    const { port } = origin.address() as AddressInfo;
    const leaf = TestCertificate.root().issue({ names: [{ dns: 'localhost' }] });
    const secured = downstreamTls({
      tls_certificates: [certificateOf(leaf)],
      alpn_protocols: ['h2'],
    });
    const listener = (name: string): Json =>
      httpListener(name, [{ match: { prefix: '/' }, route: { cluster: 'up' } }], {
        hcm: { codec_type: 'HTTP2' },
      });
    const tls = listener('tls');
    const [chain] = tls['filter_chains'] as readonly Json[];
    const proxy = await ProxyProcess.start(
      t,
      bootstrapOf(
        [listener('plain'), { ...tls, filter_chains: [{ ...chain, transport_socket: secured }] }],
        [cluster('up', [port])],
      ),
    );
    for (const [name, ...flags] of [['plain'], ['tls', '-t', '-k']] as const) {
      const args = ['-h', '127.0.0.1', '-p', String(proxy.port(name)), '-o', '5', ...flags];
      const output = await run(h2spec!, args);
      const [, all, passed, failed] =
        /(\d+) tests?, (\d+) passed, \d+ skipped, (\d+) failed/.exec(output) ?? [];
      t.equal(failed, '0', failed === '0' ? `${name}: none failed` : output.slice(-6000));
      t.equal(passed, all);
      t.ok(Number(all) >= 145, `${name}: ${all} cases`);
    }
  },
);
