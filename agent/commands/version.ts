// [m] `pilot-agent version`: which Istio we stand in for, and what we are; in stock's forms, that tools read. Istio: istio.io/pkg/version.
import type { CommandOutputs } from './request.ts';

export interface Versions {
  readonly istio: string;
  readonly own: string;
}

/** The exit code. */
export function runVersion(
  { istio, own }: Versions,
  { short, format }: { readonly short: boolean; readonly format: string },
  { out, err }: CommandOutputs,
): number {
  const info = {
    version: istio,
    revision: `outrigger-${own}`,
    // No Go here; the field says what runs us.
    golang_version: `node-${process.version}`,
    status: 'Clean',
    tag: istio,
  };
  switch (format) {
    case '':
      out.write(short ? `${istio}\n` : `outrigger ${own} (as Istio ${istio})\n`);
      return 0;
    case 'json':
      out.write(`${JSON.stringify({ clientVersion: info }, null, 2)}\n`);
      return 0;
    case 'yaml': {
      const lines = Object.entries(info).map(([name, value]) => `  ${name}: ${value}`);
      out.write(`clientVersion:\n${lines.join('\n')}\n`);
      return 0;
    }
    default:
      err.write(`pilot-agent: --output must be yaml or json, not "${format}"\n`);
      return 1;
  }
}
