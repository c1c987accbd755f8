// [m] docs/stats.md as text, made from stat-names.ts. Run as a script it writes the file.
import { fs } from '../base/node-builtins.ts';
import { STAT_GROUPS } from './stat-names.ts';
import type { StatGroup } from './stat-rows.ts';

const HEAD = `# Stats

Made by \`node proxy/stats/stats-document.ts\` from [stat-names.ts](../proxy/stats/stat-names.ts); do not edit.

Names are Envoy's. \`/stats\` on the admin port prints them as they stand here; Prometheus gets them with \`envoy_\` in
front, other characters turned into \`_\`, and the varying parts as labels. Which of them are shown at all is the
bootstrap's \`stats_matcher\`: with Istio's default only \`cluster_manager\`, \`listener_manager\`, \`server\`,
\`cluster.xds-grpc\` and Istio's own are.

Counters and histograms count since the start or the last \`/reset_counters\`. Histograms keep two significant digits.
`;

/** The document. */
export function statsDocument(): string {
  return HEAD + STAT_GROUPS.map(groupText).join('');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function groupText({ title, prefix, rows }: StatGroup): string {
  const lines = rows.map(
    ({ name, kind, unit, meaning }) =>
      `| \`${prefix}${name}\` | ${kind} | ${unit} | ${cell(meaning)} |\n`,
  );
  return `\n## ${title}\n\n| name | kind | unit | meaning |\n|---|---|---|---|\n${lines.join('')}`;
}

if (import.meta.main)
  fs.writeFileSync(new URL('../../docs/stats.md', import.meta.url), statsDocument());
