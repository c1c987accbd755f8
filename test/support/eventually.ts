// [b] Waits for a condition of the outside world (a process, a socket); generous, since test machines are slow at times.

export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const giveUpAt = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`still not so after 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
