// [b] Status codes of libuv in the words of Linux.
import { errnoName } from './socket-binding.ts';

const ERROR_TEXTS = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
  ['ETIMEDOUT', 'Connection timed out'],
  ['ECONNRESET', 'Connection reset by peer'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address'],
  ['EADDRINUSE', 'Address already in use'],
  ['ENOENT', 'No such file or directory'],
  ['EACCES', 'Permission denied'],
  ['EMFILE', 'Too many open files'],
  ['EINVAL', 'Invalid argument'],
]);

/** As strerror() says it on Linux. */
export function errorText(status: number): string {
  const name = errnoName(status);
  return ERROR_TEXTS.get(name) ?? name;
}
