// Loaded before each test file: what is compiled, types stripped, is kept for the next file that imports it. Not by an environment
// variable, which the programs under test would inherit.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/outrigger-tests'));
