// docs/differences.md, made of the rows that declare a difference: the page cannot say what no test asserts.
import { globSync } from 'node:fs';
import { join } from 'node:path';

import type { Row, Suite } from './row.ts';

export const PAGE = join(import.meta.dirname, '../../docs/differences.md');

/** In the order of their names; words choose files whose path holds one of them. */
export async function allSuites(words: readonly string[] = []): Promise<Suite[]> {
  const found: Suite[] = [];
  for (const path of globSync(join(import.meta.dirname, 'cases/*.test.ts')).toSorted()) {
    if (words.length > 0 && !words.some((word) => path.includes(word))) continue;
    const { suite } = (await import(path)) as { suite: Suite };
    found.push(suite);
  }
  return found;
}

const HEAD = `# Differences from Envoy

Where we answer otherwise than Envoy 1.40 **on purpose**. Everything else is meant to be the same, byte for byte; what is not is a bug.
This page is written by \`node_modules/.bin/node test/differential/write-differences.ts\` out of the rows of
[the differential suite](../test/differential/README.md), each of which plays both proxies and fails when the difference is gone.

Clients of HTTP/2 are compared frame by frame in \`test/integration/http2-beside-envoy.test.ts\`: a client that breaks a rule gets GOAWAY with the
reason where Envoy closes without a word, and the rows of its list \`declared\`. HTTP/3 is out of scope: istiod never asks a sidecar for it, and
a UDP listener is refused.
`;

export function differencesPage(suites: readonly Suite[]): string {
  const sections = suites.flatMap(({ title, rows }) => {
    const differing = rows.filter((row) => row.differs !== undefined);
    return differing.length === 0 ? [] : [sectionOf(title, differing)];
  });
  return [HEAD, ...sections].join('\n');
}

function sectionOf(title: string, rows: readonly Row[]): string {
  const lines = rows.map(({ name, differs }) => {
    const { envoy, ours, reason } = differs!;
    return `| ${[name, envoy, ours, reason].map(cell).join(' | ')} |`;
  });
  return `## ${title}

| case | Envoy | ours | because |
|---|---|---|---|
${lines.join('\n')}
`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
