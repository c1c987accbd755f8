// The HTML of Bookinfo's product page: a pure function of what details and reviews answered.
import type { BookDetails } from './details.ts';
import { PAGE_STYLE } from './page-style.ts';
import type { Review, ReviewRating, ReviewsAnswer } from './reviews.ts';

/** What one service gave the page, or why it gave nothing. */
export type Part<T> =
  | { readonly ok: true; readonly value: T; readonly elapsedMs: number }
  | { readonly ok: false; readonly problem: string; readonly elapsedMs: number };

export interface PageInput {
  readonly pod: string;
  readonly user: string | undefined;
  readonly details: Part<BookDetails>;
  readonly reviews: Part<ReviewsAnswer>;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Every text that came over the network passes here; what is no text after all becomes one. */
export const escapeHtml = (text: unknown): string =>
  (typeof text === 'string' ? text : JSON.stringify(text ?? '')).replace(
    /[&<>"']/g,
    (c) => ESCAPES[c] ?? c,
  );

const MOST_STARS = 5;

function stars(rating: ReviewRating | undefined): string {
  if (rating === undefined) return '';
  if ('error' in rating) {
    return `<p class="problem small">No stars: ${escapeHtml(rating.error)}</p>`;
  }
  const full = Math.max(0, Math.min(MOST_STARS, Math.trunc(Number(rating.stars)) || 0));
  const color = rating.color === 'red' ? 'red' : 'black';
  const glyphs = `${'★'.repeat(full)}<span class="off">${'★'.repeat(MOST_STARS - full)}</span>`;
  return `<p class="stars ${color}" aria-label="${full} of ${MOST_STARS} stars">${glyphs}</p>`;
}

const review = ({ text, reviewer, rating }: Review): string =>
  `<blockquote>${stars(rating)}<p>${escapeHtml(text)}</p><footer>${escapeHtml(reviewer)}</footer></blockquote>`;

const STAR_WORDS: ReadonlyMap<string, string> = new Map([
  ['v1', 'no stars'],
  ['v2', 'black stars'],
  ['v3', 'red stars'],
]);

function servedBy({ version, podname }: ReviewsAnswer, elapsedMs: number): string {
  const kind = STAR_WORDS.get(version) ?? '';
  const name = STAR_WORDS.has(version) ? version : '';
  return (
    `<p class="served"><span class="version ${name}">reviews ${escapeHtml(version)}</span> ` +
    `${kind} · pod ${escapeHtml(podname)} · ${elapsedMs} ms</p>`
  );
}

function problem(what: string, text: string, elapsedMs: number): string {
  return (
    `<div class="problem"><strong>Sorry, the ${what} are not available right now.</strong>` +
    `<p>${escapeHtml(text)}</p><p class="small">after ${elapsedMs} ms</p></div>`
  );
}

function reviewsSection(part: Part<ReviewsAnswer>): string {
  if (!part.ok) return problem('reviews', part.problem, part.elapsedMs);
  const { value, elapsedMs } = part;
  return `${servedBy(value, elapsedMs)}<div class="reviews">${value.reviews.map(review).join('')}</div>`;
}

const FACTS: readonly (readonly [string, keyof BookDetails])[] = [
  ['Author', 'author'],
  ['Year', 'year'],
  ['Type', 'type'],
  ['Pages', 'pages'],
  ['Publisher', 'publisher'],
  ['Language', 'language'],
  ['ISBN-13', 'isbn13'],
];

function detailsSection(part: Part<BookDetails>): string {
  if (!part.ok) return problem('details', part.problem, part.elapsedMs);
  const rows = FACTS.map(
    ([label, field]) => `<dt>${label}</dt><dd>${escapeHtml(part.value[field])}</dd>`,
  );
  return `<dl>${rows.join('')}</dl><p class="served">details · ${part.elapsedMs} ms</p>`;
}

function signIn(user: string | undefined): string {
  if (user !== undefined) {
    return `<p class="account">signed in as <strong>${escapeHtml(user)}</strong> · <a href="/logout">sign out</a></p>`;
  }
  return (
    '<form class="account" action="/login" method="get">' +
    '<input name="user" placeholder="user name, e.g. jason" maxlength="64" required aria-label="user name">' +
    '<button>sign in</button></form>'
  );
}

export function renderPage(input: PageInput): string {
  const title = input.details.ok ? escapeHtml(input.details.value.title) : 'The book';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Bookinfo</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><a class="brand" href="/productpage">Bookinfo</a>${signIn(input.user)}</header>
<main>
<h1>${title}</h1>
<p class="lead">Two pairs of twins, parted by a shipwreck, meet in Ephesus, and nobody knows who is who.</p>
<div class="columns">
<section><h2>Details</h2>${detailsSection(input.details)}</section>
<section><h2>Reviews</h2>${reviewsSection(input.reviews)}</section>
</div>
</main>
<footer class="bottom">page by ${escapeHtml(input.pod)} · reload to see the split · sign in as jason to try the header rule</footer>
</body>
</html>
`;
}
