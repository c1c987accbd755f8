// [m] Process entry: read options, build Server, run; nothing else.
import { runProxy } from './server/run.ts';

// Not left to an empty event loop: a pending DNS query must not hold the end of the process back.
process.exit(await runProxy(process.argv.slice(2)));
