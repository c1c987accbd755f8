// Flags of `npm start`.
import { parseArgs } from 'node:util';

import type { MeshMode } from './plan.ts';

export interface StartFlags {
  readonly mode: MeshMode | 'auto';
  /** Of the page; undefined: 9080, or the first free one after it. */
  readonly port: number | undefined;
  /** Where the page and, with namespaces, the admin addresses are published. */
  readonly address: string;
  /** Folder of rules; undefined: the sample's own. */
  readonly rulesDir: string | undefined;
  readonly withSidecars: boolean;
  readonly help: boolean;
}

export const START_USAGE = `usage: npm start -- [flags]
  --mode netns|loopback|auto   netns: pods are network namespaces with real redirect rules (root, or user namespaces)
                               loopback: pods are 127.x addresses, no privileges; auto (default): netns where it works
  --port PORT                  of the page; default 9080, or the next free one
  --address ADDRESS            where the page is published; default 127.0.0.1
  --config DIR                 folder of routing rules to watch; default samples/bookinfo/active
  --no-sidecars                the same services without a mesh, for comparison
`;

const MODES: readonly string[] = ['netns', 'loopback', 'auto'];

function readPort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new Error(`--port: "${text}" is no port from 1 to 65535`);
  return port;
}

/** Throws an Error in words. */
export function readStartFlags(argv: readonly string[]): StartFlags {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      mode: { type: 'string', default: 'auto' },
      port: { type: 'string' },
      address: { type: 'string', default: '127.0.0.1' },
      config: { type: 'string' },
      sidecars: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  });
  if (!MODES.includes(values.mode))
    throw new Error(`--mode: "${values.mode}" is none of ${MODES.join(', ')}`);
  return {
    mode: values.mode as StartFlags['mode'],
    port: values.port === undefined ? undefined : readPort(values.port),
    address: values.address,
    rulesDir: values.config,
    withSidecars: values.sidecars,
    help: values.help,
  };
}
