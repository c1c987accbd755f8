// Reads what `strace -c` prints: how often each system call was made.

export interface SyscallCount {
  readonly name: string;
  readonly calls: number;
  readonly errors: number;
}

/** The most frequent first; without the line of the total. */
export function parseStraceSummary(text: string): SyscallCount[] {
  const counts: SyscallCount[] = [];
  for (const line of text.split('\n')) {
    const found = /^ *[0-9.]+ +[0-9.]+ +[0-9]+ +([0-9]+) +(?:([0-9]+) +)?([a-z0-9_]+)$/.exec(line);
    if (found === null || found[3] === 'total') continue;
    counts.push({
      name: found[3]!,
      calls: Number(found[1]),
      errors: Number(found[2] ?? '0'),
    });
  }
  return counts.toSorted((a, b) => b.calls - a.calls);
}
