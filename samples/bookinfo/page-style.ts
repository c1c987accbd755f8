// The look of Bookinfo's product page.
export const PAGE_STYLE = `
:root { --ink: #1d2733; --soft: #5c6b7a; --line: #dde3e9; --paper: #fbfaf7; --card: #fff; --accent: #0f6b66; --red: #c22f2f; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
header { display: flex; align-items: center; justify-content: space-between; gap: 1rem; flex-wrap: wrap; padding: .8rem 1.5rem; background: var(--accent); color: #fff; }
.brand { color: #fff; font-weight: 700; font-size: 1.15rem; text-decoration: none; letter-spacing: .02em; }
.account { margin: 0; display: flex; gap: .5rem; align-items: center; }
.account a { color: #fff; }
input, button { font: inherit; padding: .35rem .7rem; border-radius: .4rem; border: 1px solid transparent; }
button { background: #fff; color: var(--accent); font-weight: 600; cursor: pointer; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin: .5rem 0 0; font: 700 2.3rem/1.2 Georgia, serif; }
h2 { margin: 0 0 .8rem; font-size: 1rem; text-transform: uppercase; letter-spacing: .08em; color: var(--soft); }
.lead { margin: .3rem 0 1.6rem; color: var(--soft); font-size: 1.1rem; }
.columns { display: grid; grid-template-columns: minmax(15rem, 1fr) 2fr; gap: 1.2rem; align-items: start; }
@media (max-width: 46rem) { .columns { grid-template-columns: 1fr; } }
section { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1.2rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; font-weight: 600; }
blockquote { margin: 0; padding: .9rem 0; border-top: 1px solid var(--line); }
blockquote p { margin: 0 0 .3rem; font-family: Georgia, serif; font-size: 1.05rem; }
blockquote footer { color: var(--soft); font-size: .9rem; }
blockquote .stars { font-size: 1.35rem; letter-spacing: .1em; line-height: 1; }
.stars.red { color: var(--red); }
.stars.black { color: #111; }
.stars .off { opacity: .18; }
.served { margin: 0 0 .6rem; color: var(--soft); font-size: .9rem; }
dl + .served { margin: .8rem 0 0; }
.version { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; color: #fff; background: #6a7885; font-weight: 600; }
.version.v2 { background: #111; }
.version.v3 { background: var(--red); }
.problem { border-left: .3rem solid var(--red); background: #fdf0ef; padding: .8rem 1rem; border-radius: .3rem; overflow-wrap: anywhere; }
.problem p { margin: .3rem 0 0; }
.small { font-size: .85rem; }
.bottom { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem 2rem; color: var(--soft); font-size: .85rem; }
`;
