// `npm run check`: types, lint, format and layering, in seconds. Exit code 1 where one of them fails.
import { printCheck, runChecks } from './runner/checks.ts';

const results = await runChecks(printCheck);
const failed = results.filter((result) => !result.ok).map((result) => result.name);
if (failed.length > 0) {
  console.log(`\nfailed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
