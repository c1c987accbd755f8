// [w] Which gRPC method a path names.

const MAX_CHARS = 256;

export function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

/** `pkg.Service.Method` of `/pkg.Service/Method`; null for any other path, and for one too long to be a counter's name. */
export function grpcMethodOf(path: string, replaceDots: boolean): string | null {
  const plain = withoutQuery(path);
  const slash = plain.indexOf('/', 1);
  if (slash <= 1 || slash === plain.length - 1 || plain.length > MAX_CHARS) return null;
  if (plain.charCodeAt(0) !== 0x2f || plain.includes('/', slash + 1)) return null;
  const service = plain.slice(1, slash);
  return `${replaceDots ? service.replaceAll('.', '_') : service}.${plain.slice(slash + 1)}`;
}
