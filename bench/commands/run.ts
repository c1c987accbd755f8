// `npm run bench` and `npm run bench -- quick`: all cases, or those that answer "is it faster or slower".
import { UsageError, readRunOptions } from './options.ts';
import { Session, publish } from './session.ts';

export async function runCommand(argv: readonly string[], quick: boolean): Promise<number> {
  const options = readRunOptions(argv, quick);
  if (options.positionals.length > 0)
    throw new UsageError(`"${options.positionals[0]}" is no command`);
  const session = new Session();
  try {
    const report = await session.measure(options, [session.tree(options)]);
    return publish(report, options);
  } finally {
    session.close();
  }
}
