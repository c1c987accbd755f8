// [w] Whether the peer of an idle connection has gone, asked of the kernel: its FIN or RST may be there though the event
// loop has not come to it yet. [Linux tcp(7), TCP_INFO]
import { libc } from './libc.ts';

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const ESTABLISHED = 1;

/** The first byte of struct tcp_info is the state. */
const info = new Uint8Array(8);
const length = new Uint32Array(1);

/** False where it cannot be known. About 1 µs. */
export function peerHasGone(fd: number): boolean {
  const calls = libc();
  if (calls === null || fd < 0) return false;
  length[0] = info.length;
  return calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, length) === 0 && info[0] !== ESTABLISHED;
}
