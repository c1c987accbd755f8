// @long @timeout 180 s
// Subset balancing: which hosts a route's metadata reaches, in ours and in the real Envoy (ENVOY_BIN), which must be the same.
// @timeout 120 s
import t from 'tap';

import { endpoint, locality, startChoice } from '../support/host-choice.ts';
import type { ChoiceRow, ChoosingProxy } from '../support/host-choice.ts';

t.setTimeout(120_000);

type Json = { readonly [key: string]: unknown };

const LABELS: readonly Json[] = [
  { stage: 'prod', version: '1.0', type: 'std' },
  { stage: 'prod', version: '1.0', type: 'std' },
  { stage: 'prod', version: '1.1', type: 'std' },
  { stage: 'prod', version: '1.2-pre', type: 'bigmem' },
  { stage: 'dev', version: '1.2-pre', type: 'std' },
  { stage: 'dev', version: '1.3', type: ['std', 'odd'] },
  { num: 1, yes: true },
  { stage: 'dead', version: 'x' },
  { deep: { b: 1, a: [1, 2] } },
];
const DEAD = 8;
/** All but the dead one. */
const ANY = '1 2 3 4 5 6 7 9';
const SELECTORS = [
  ['stage', 'type'],
  ['stage', 'version'],
  ['version'],
  ['num'],
  ['yes'],
  ['deep'],
];
const selectors = (...list: readonly Json[]): Json => ({ subset_selectors: list });
const NOBODY = { stage: 'prod', type: 'none' };
const NO_PANIC = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };
const ANY_ENDPOINT = { fallback_policy: 'ANY_ENDPOINT' };
const FALLBACK_LIST = { metadata_fallback_policy: 'FALLBACK_LIST' };
const STAGE_ANY = { keys: ['stage'], ...ANY_ENDPOINT };
const TO_STAGE = {
  keys: ['stage', 'version'],
  fallback_policy: 'KEYS_SUBSET',
  fallback_keys_subset: ['stage'],
};
const SINGLE = selectors({ keys: ['version'], single_host_per_subset: true });

interface Row {
  readonly what: string;
  readonly subset: Json;
  /** Undefined: the route has none. */
  readonly labels: Json | undefined;
  readonly hosts: string;
  readonly cluster?: Json;
  readonly action?: Json;
  /** As the extension, with `allow_redundant_keys`. */
  readonly redundant?: true;
  readonly head?: string;
}

// oxlint-disable-next-line eslint/max-params -- the columns of a table
const row = (
  what: string,
  subset: Json,
  labels: Json | undefined,
  hosts: string,
  more: Partial<Row> = {},
): Row => ({ what, subset, labels, hosts, ...more });
const redundant = (what: string, subset: Json, labels: Json, hosts: string): Row =>
  row(what, subset, labels, hosts, { redundant: true });
const match = (labels: Json): Json => ({
  metadata_match: { filter_metadata: { 'envoy.lb': labels } },
});

const rows: readonly Row[] = [
  row('the hosts that have all labels', {}, { stage: 'prod', type: 'std' }, '1 2 3'),
  row('no fallback: nobody', {}, NOBODY, ''),
  row('no criteria, no fallback: nobody', {}, undefined, ''),
  row('empty criteria are none', ANY_ENDPOINT, {}, ANY),
  row('keys that no selector has alone', {}, { stage: 'prod' }, ''),
  row('any endpoint', ANY_ENDPOINT, NOBODY, ANY),
  row('any endpoint without criteria', ANY_ENDPOINT, undefined, ANY),
  row(
    'the default subset',
    { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'dev' } },
    NOBODY,
    '5 6',
  ),
  row(
    'a default subset without labels is everybody',
    { fallback_policy: 'DEFAULT_SUBSET' },
    NOBODY,
    ANY,
  ),
  row(
    'an empty default subset',
    { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'x' } },
    NOBODY,
    '',
  ),
  row(
    'panic mode any after an empty default subset',
    { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'x' }, panic_mode_any: true },
    NOBODY,
    ANY,
  ),
  row('panic mode any is nothing without a fallback', { panic_mode_any: true }, NOBODY, ''),
  row('a number', {}, { num: 1 }, '7'),
  row('a number is no text', {}, { num: '1' }, ''),
  row('a truth', {}, { yes: true }, '7'),
  row('a struct, whatever the order of its keys', {}, { deep: { a: [1, 2], b: 1 } }, '9'),
  row('a list as a whole', {}, { stage: 'dev', type: ['std', 'odd'] }, '6'),
  row('a list as any of its elements', { list_as_any: true }, { stage: 'dev', type: 'odd' }, '6'),
  row(
    'a list that is any is no whole',
    { list_as_any: true },
    { stage: 'dev', type: ['std', 'odd'] },
    '',
  ),
  row('a subset of the dead panics by itself', ANY_ENDPOINT, { stage: 'dead', version: 'x' }, '8'),
  row(
    'a subset of the dead does not fall back',
    ANY_ENDPOINT,
    { stage: 'dead', version: 'x' },
    '',
    { cluster: NO_PANIC },
  ),
  row(
    "a selector's own fallback: any",
    selectors({ keys: ['stage', 'type'], ...ANY_ENDPOINT }),
    NOBODY,
    ANY,
  ),
  row(
    "a selector's own fallback: none",
    { ...ANY_ENDPOINT, ...selectors({ keys: ['stage', 'type'], fallback_policy: 'NO_FALLBACK' }) },
    NOBODY,
    '',
  ),
  row(
    "a selector's own fallback: the default subset",
    {
      default_subset: { stage: 'dev' },
      ...selectors({ keys: ['stage', 'type'], fallback_policy: 'DEFAULT_SUBSET' }),
    },
    NOBODY,
    '5 6',
  ),
  row(
    "a selector's own fallback: fewer keys",
    selectors(TO_STAGE, { keys: ['stage'] }),
    { stage: 'prod', version: 'none' },
    '1 2 3 4',
  ),
  row(
    'fewer keys without a subset: the fallback of those',
    selectors(STAGE_ANY, TO_STAGE),
    { stage: 'none', version: 'none' },
    ANY,
  ),
  row(
    'the fallback of those is lost behind a selector that begins with them',
    selectors(TO_STAGE, STAGE_ANY),
    { stage: 'none', version: 'none' },
    '',
  ),
  row(
    'and lost for requests with just those',
    selectors(TO_STAGE, STAGE_ANY),
    { stage: 'none' },
    '',
  ),
  row(
    'fewer keys that no selector has: the fallback of the whole',
    { ...ANY_ENDPOINT, ...selectors(TO_STAGE) },
    { stage: 'prod', version: 'none' },
    ANY,
  ),
  row('a single host', SINGLE, { version: '1.1' }, '3'),
  row('a single host that is two: the first', SINGLE, { version: '1.0' }, '1'),
  row('a single host that is dead', SINGLE, { version: 'x' }, '8', { cluster: NO_PANIC }),
  row(
    'a fallback list: the first that has hosts',
    FALLBACK_LIST,
    { stage: 'prod', fallback_list: [{ type: 'none' }, { type: 'bigmem' }] },
    '4',
  ),
  row('a fallback list alone', FALLBACK_LIST, { fallback_list: [{ version: '1.1' }] }, '3'),
  row(
    'a fallback list goes over the criteria',
    FALLBACK_LIST,
    { version: '1.1', fallback_list: [{ version: 'none' }] },
    '',
  ),
  row(
    'a fallback list and the fallback of the whole',
    { ...FALLBACK_LIST, ...ANY_ENDPOINT },
    { version: '1.1', fallback_list: [{ version: 'none' }, { version: '1.1' }] },
    ANY,
  ),
  row('an empty fallback list', FALLBACK_LIST, { version: '1.1', fallback_list: [] }, '3'),
  row('a fallback list that is none', FALLBACK_LIST, { version: '1.1', fallback_list: 'x' }, '3'),
  row(
    'a fallback list where it was not asked for',
    {},
    { version: '1.1', fallback_list: [{ version: '1.1' }] },
    '',
  ),
  row('a weighted cluster adds to its route', {}, undefined, '4 5', {
    action: {
      weighted_clusters: {
        clusters: [
          { name: 'ROW', weight: 1, ...match({ stage: 'dev', type: 'std' }) },
          { name: 'ROW', weight: 1, ...match({ type: 'bigmem' }) },
        ],
      },
      ...match({ stage: 'prod' }),
    },
  }),
  row("a request's own metadata", {}, undefined, '3', { head: 'x-version: 1.1' }),
  row("a request's own metadata goes over its route's", {}, { version: '1.0' }, '3', {
    head: 'x-version: 1.1',
  }),
  redundant(
    'redundant keys: the selector with most keys that has hosts',
    {},
    { stage: 'prod', version: '1.1', type: 'std', more: 'x' },
    '1 2 3',
  ),
  redundant(
    'redundant keys: the next selector',
    {},
    { stage: 'prod', version: 'none', type: 'std', more: 'x' },
    '1 2 3',
  ),
  redundant('redundant keys only', {}, { more: 'x' }, ''),
  redundant(
    'redundant keys, no selector, a fallback',
    ANY_ENDPOINT,
    { stage: 'prod', more: 'x' },
    ANY,
  ),
  redundant(
    'redundant keys: of equals the first',
    selectors({ keys: ['stage'] }, { keys: ['version'] }),
    { stage: 'prod', version: '1.1' },
    '1 2 3 4',
  ),
  redundant(
    'redundant keys: of equals the first, the other way round',
    selectors({ keys: ['version'] }, { keys: ['stage'] }),
    { stage: 'prod', version: '1.1' },
    '3',
  ),
  redundant(
    'redundant keys: fewer keys',
    selectors(TO_STAGE, { keys: ['stage'] }),
    { stage: 'prod', version: 'none', more: 'x' },
    '1 2 3 4',
  ),
  redundant(
    'redundant keys: the fallback of the selector with most keys',
    selectors(
      { keys: ['version'], ...ANY_ENDPOINT },
      { keys: ['stage', 'version'], fallback_policy: 'NO_FALLBACK' },
    ),
    { stage: 'none', version: 'none', aa: '1' },
    '',
  ),
  redundant(
    'redundant keys: fewer keys and then the fallback of the whole',
    {
      fallback_policy: 'DEFAULT_SUBSET',
      default_subset: { stage: 'dev' },
      ...selectors(STAGE_ANY, TO_STAGE),
    },
    { stage: 'none', version: 'none' },
    '5 6',
  ),
];

const POLICIES = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const policy = (type: string, more: Json = {}): Json => ({
  policies: [
    {
      typed_extension_config: {
        name: 'p',
        typed_config: { '@type': `${POLICIES}.${type}`, ...more },
      },
    },
  ],
});

function choiceRow(each: Row, index: number): ChoiceRow {
  const id = `row${index}`;
  const subset = { subset_selectors: SELECTORS.map((keys) => ({ keys })), ...each.subset };
  const action = each.action ?? (each.labels === undefined ? undefined : match(each.labels));
  const extension = policy('subset.v3.Subset', {
    ...subset,
    allow_redundant_keys: true,
    subset_lb_policy: policy('round_robin.v3.RoundRobin'),
  });
  const settings =
    each.redundant === true ? { load_balancing_policy: extension } : { lb_subset_config: subset };
  return {
    id,
    cluster: { ...settings, ...each.cluster },
    endpoints: [
      locality(
        LABELS.map((labels, i) =>
          endpoint(i + 1, { labels, ...(i + 1 === DEAD && { health: 'UNHEALTHY' }) }),
        ),
      ),
    ],
    ...(action !== undefined && {
      action: JSON.parse(JSON.stringify(action).replaceAll('"ROW"', `"${id}"`)) as Json,
    }),
  };
}

const headerToMetadata = {
  name: 'envoy.filters.http.header_to_metadata',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config',
    request_rules: [
      {
        header: 'x-version',
        on_header_present: { metadata_namespace: 'envoy.lb', key: 'version' },
      },
    ],
  },
};

/** Last numbers of the hosts that many requests reach; one request shows that there is nobody. */
async function reached(
  proxy: ChoosingProxy,
  id: string,
  { hosts, head = '' }: Row,
): Promise<string> {
  const heads = Array.from({ length: hosts === '' ? 1 : 40 }, () => head);
  const numbers = (await proxy.choose(id, heads)).map((address) => address.split('.').at(-1)!);
  return [...new Set(numbers)].toSorted().join(' ');
}

t.test('subsets', async (t) => {
  const { ours, envoy } = await startChoice(t, rows.map(choiceRow), {
    httpFilters: [headerToMetadata],
  });
  for (const [i, each] of rows.entries()) {
    t.equal(await reached(ours, `row${i}`, each), each.hosts, each.what);
    if (envoy !== undefined)
      t.equal(await reached(envoy, `row${i}`, each), each.hosts, `Envoy: ${each.what}`);
  }
  if (envoy === undefined) return;
  const [oursStats, envoyStats] = [await ours.process.stats(), await envoy.process.stats()];
  // How many subsets there are Envoy counts per thread, main included.
  const compared = /\.lb_(?:subsets_(?:selected|fallback|fallback_panic)|healthy_panic)$/;
  for (const [name, value] of envoyStats)
    if (compared.test(name)) t.equal(oursStats.get(name) ?? 0, value, name);
});
