// Bookinfo's ratings service: stars by reviewer. `/ratings/0`.
import process from 'node:process';
import { pathToFileURL } from 'node:url';

import { json, runService } from './service.ts';
import type { Route } from './service.ts';
import { serviceOptionsOrExit } from './service-options.ts';

export interface Ratings {
  readonly id: number;
  /** Stars, 1 to 5, by reviewer. */
  readonly ratings: Readonly<Record<string, number>>;
}

const RATINGS: Ratings = { id: 0, ratings: { Reviewer1: 5, Reviewer2: 4 } };

export const ratingsRoutes = (): Route[] => [
  { path: '/ratings/', handle: () => json(200, RATINGS) },
];

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  runService('ratings', serviceOptionsOrExit('ratings'), ratingsRoutes());
}
