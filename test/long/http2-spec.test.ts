// @long @timeout 300 s
// h2spec, all of its cases, against a listener of ours. Its binary: H2SPEC_BIN, or in PATH.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import t from 'tap';

import { findProgram } from '../../bench/load/find-program.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';

t.setTimeout(280_000);

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
    const proxy = await ProxyProcess.start(
      t,
      bootstrapOf(
        [
          httpListener('l', [{ match: { prefix: '/' }, route: { cluster: 'up' } }], {
            hcm: { codec_type: 'HTTP2' },
          }),
        ],
        [cluster('up', [port])],
      ),
    );
    const args = ['-h', '127.0.0.1', '-p', String(proxy.port('l')), '-o', '5'];
    const output = await run(h2spec!, args);
    const [, all, passed, failed] =
      /(\d+) tests?, (\d+) passed, \d+ skipped, (\d+) failed/.exec(output) ?? [];
    t.equal(failed, '0', failed === '0' ? 'none failed' : output.slice(-6000));
    t.equal(passed, all);
    t.ok(Number(all) >= 145, `${all} cases`);
  },
);
