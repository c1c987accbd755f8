// What `npm start` prints once the mesh is up.
import type { MeshMode } from './plan.ts';

export interface ReportInput {
  readonly mode: MeshMode;
  readonly withSidecars: boolean;
  /** `http://localhost:9080`, without a path. */
  readonly base: string;
  /** As a person would type them. */
  readonly rulesFile: string;
  readonly rulesExamples: string;
  readonly logDir: string;
  /** URL by pod. */
  readonly admins: ReadonlyMap<string, string>;
}

export const MODE_WORDS: Readonly<Record<MeshMode, string>> = {
  netns: 'every pod is a network namespace with its own redirect rules',
  loopback: 'every pod is a group of loopback addresses; no privileges, no redirect rules',
};

const DEFAULT_BASE = 'http://localhost:9080';

function nextSteps({ base, rulesFile, rulesExamples, admins }: ReportInput): string[] {
  const url = base === DEFAULT_BASE ? '' : ` ${base}/productpage`;
  const admin = admins.values().next().value;
  return [
    `npm run split -- 100${url}`,
    '    which version of reviews answers how often',
    `edit the weights in ${rulesFile}, save, and run it again`,
    `cp ${rulesExamples}/jason-v2.yaml ${rulesFile}`,
    '    then sign in as jason: black stars for him alone',
    `cp ${rulesExamples}/timeout-1s.yaml ${rulesFile}`,
    '    then reload: the page says 504 in place of the reviews',
    ...(admin === undefined
      ? []
      : [
          `curl ${admin}/clusters`,
          '    what a sidecar knows; also /listeners, /config_dump, /stats',
        ]),
  ];
}

export function reportText(input: ReportInput): string {
  const { mode, withSidecars, base, rulesFile, logDir, admins } = input;
  const lines = ['', `Bookinfo runs:  ${base}/productpage`, ''];
  lines.push(`  mode   ${mode}: ${MODE_WORDS[mode]}`);
  if (!withSidecars) {
    lines.push(
      '  mesh   none: --no-sidecars, every service calls the next one directly, and rules have no effect',
    );
  } else {
    lines.push(`  rules  ${rulesFile}: edit and save, nothing needs a restart`);
  }
  lines.push(`  logs   ${logDir}, while this runs`);
  if (admins.size > 0) {
    const width = Math.max(...[...admins.keys()].map((name) => name.length));
    lines.push('', '  sidecars, and the address of their admin page:');
    for (const [name, url] of admins) lines.push(`    ${name.padEnd(width)}  ${url}`);
  }
  if (withSidecars) lines.push('', 'Try next:', ...nextSteps(input).map((line) => `  ${line}`));
  lines.push('', 'Ctrl-C stops everything and leaves nothing behind.', '');
  return lines.join('\n');
}
