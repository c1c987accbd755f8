// Bookinfo's details service: what the book is. `/details/0`.
import { pathToFileURL } from 'node:url';
import process from 'node:process';

import { json, runService } from './service.ts';
import type { Route } from './service.ts';
import { serviceOptionsOrExit } from './service-options.ts';

export interface BookDetails {
  readonly id: number;
  readonly title: string;
  readonly author: string;
  readonly year: number;
  readonly type: string;
  readonly pages: number;
  readonly publisher: string;
  readonly language: string;
  readonly isbn13: string;
}

const BOOK: BookDetails = {
  id: 0,
  title: 'The Comedy of Errors',
  author: 'William Shakespeare',
  year: 1595,
  type: 'paperback',
  pages: 200,
  publisher: 'Publisher A',
  language: 'English',
  isbn13: '123-1234567890',
};

export const detailsRoutes = (): Route[] => [{ path: '/details/', handle: () => json(200, BOOK) }];

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  runService('details', serviceOptionsOrExit('details'), detailsRoutes());
}
