// Bookinfo's reviews service in three versions: v1 without stars, v2 with black ones, v3 with red ones. `/reviews/0`, `/portal`.
import type { IncomingMessage } from 'node:http';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

import type { Ratings } from './ratings.ts';
import { json, runService } from './service.ts';
import type { Answer, Route } from './service.ts';
import { headersToPassOn, ServiceCaller } from './service-caller.ts';
import { serviceOptionsOrExit } from './service-options.ts';
import type { ServiceOptions } from './service-options.ts';

export interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: ReviewRating;
}

/** Stars, or the reason why there are none. */
export type ReviewRating =
  | { readonly stars: number; readonly color: StarColor }
  | { readonly error: string };

export type StarColor = 'black' | 'red';

export interface ReviewsAnswer {
  readonly id: number;
  readonly podname: string;
  readonly version: string;
  readonly reviews: readonly Review[];
}

const TEXTS: readonly Review[] = [
  {
    reviewer: 'Reviewer1',
    text: 'Two pairs of twins, one town, no end of mix-ups. I laughed on the train and missed my stop.',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Light and quick. Next to his later plays it is a sketch, but what a sketch.',
  },
];

const COLORS: ReadonlyMap<string, StarColor> = new Map([
  ['v2', 'black'],
  ['v3', 'red'],
]);

async function readRatings(
  caller: ServiceCaller,
  request: IncomingMessage,
): Promise<Ratings | string> {
  const result = await caller.call('ratings', '/ratings/0', headersToPassOn(request));
  if (result.status !== 200) {
    const reason = result.body.trim();
    return result.status === 0
      ? reason
      : `ratings answered ${result.status}${reason === '' ? '' : `: ${reason}`}`;
  }
  try {
    return JSON.parse(result.body) as Ratings;
  } catch {
    return 'ratings answered something that is no JSON';
  }
}

function withRating(review: Review, ratings: Ratings | string, color: StarColor): Review {
  if (typeof ratings === 'string') return { ...review, rating: { error: ratings } };
  const stars = ratings.ratings[review.reviewer];
  return stars === undefined ? review : { ...review, rating: { stars, color } };
}

export function reviewsRoutes(options: ServiceOptions, caller: ServiceCaller): Route[] {
  const color = COLORS.get(options.version);
  const handle = async (request: IncomingMessage): Promise<Answer> => {
    let reviews = TEXTS;
    if (color !== undefined) {
      const ratings = await readRatings(caller, request);
      reviews = TEXTS.map((review) => withRating(review, ratings, color));
    }
    const body: ReviewsAnswer = { id: 0, podname: options.pod, version: options.version, reviews };
    return json(200, body);
  };
  return [
    { path: '/reviews/', handle },
    { path: '/portal', handle },
    { path: '/portal/', handle },
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = serviceOptionsOrExit('reviews');
  runService('reviews', options, reviewsRoutes(options, new ServiceCaller(options)));
}
