// [m] Unix sockets of this and other agents: whether somebody answers there.
/** A file left by a dead server does not answer. */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = process.getBuiltinModule('node:net').connect(path);
    const done = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
