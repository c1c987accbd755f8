// [w] `Keep-Alive: timeout=5, max=100`, as servers announce how long they keep an idle connection (RFC 2068 §19.7.1.1).

/** Seconds; undefined where none are named, or more of them than anybody means. */
export function keepAliveTimeout(value: string): number | undefined {
  const found = /(?:^|[,;\s])timeout\s*=\s*(\d{1,6})(?:$|[,;\s])/i.exec(value);
  return found === null ? undefined : Number(found[1]);
}
