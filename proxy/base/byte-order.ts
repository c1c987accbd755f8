// [b] How this machine keeps numbers; node:os would say it, for 40 KB in each thread.
export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
