// Which modules share a file of the bundle: those that the same programs need at their start, whichever parts need them, too.
//
// Where another program may load a module later, by a part, its file must not bring along all else that the programs of the module
// need: it stands apart then, with what the same parts load. A file costs 7 KB in each thread, though: what is small, and leans on nothing
// but what all of these programs have, is given to them all instead; and of the rest what the same programs may load is joined, part by part
// different as it is, where no file would need itself that way.

export interface ModuleGraph {
  imports(id: string): readonly string[];
  /** Of its source. */
  size(id: string): number;
}

const SMALL_BYTES = 4096;
/** Larger groups are not joined. */
const LARGE_BYTES = 49_152;

interface Group {
  /** Cannot start without it. */
  readonly programs: ReadonlySet<string>;
  /** The same, and those that may load it later. */
  readonly reach: ReadonlySet<string>;
  readonly modules: string[];
}

/** What is loaded with a module, and with what that loads. */
function closure(module: string, loads: (id: string) => readonly string[]): Set<string> {
  const seen = new Set([module]);
  for (const id of seen) for (const other of loads(id)) seen.add(other);
  return seen;
}

/** `parts`: what each module may load later. Each module that some program cannot start without, with the name of its group. */
export function groupModules(
  programs: readonly string[],
  parts: ReadonlyMap<string, readonly string[]>,
  graph: ModuleGraph,
): Map<string, string> {
  const imports = (id: string): readonly string[] => graph.imports(id);
  const starts = new Map(programs.map((program) => [program, closure(program, imports)]));
  const later = new Map(
    programs.map((program) => [
      program,
      closure(program, (id) => [...imports(id), ...(parts.get(id) ?? [])]),
    ]),
  );
  const withParts = [...new Set([...parts.values()].flat())].map(
    (part) => [part, closure(part, imports)] as const,
  );
  const groups = new Map<string, Group>();
  for (const id of new Set([...starts.values()].flatMap((modules) => [...modules]))) {
    const starting = programs.filter((program) => starts.get(program)?.has(id));
    const late = withParts.flatMap(([part, modules]) =>
      modules.has(id)
        ? programs
            .filter((program) => !starting.includes(program) && later.get(program)?.has(part))
            .map((program) => ({ part, program }))
        : [],
    );
    const key = [...starting, ...new Set(late.map(({ part }) => part))].join(' ');
    const reach = new Set([...starting, ...late.map(({ program }) => program)]);
    const group = groups.get(key) ?? { programs: new Set(starting), reach, modules: [] };
    group.modules.push(id);
    groups.set(key, group);
  }
  return joinAlike(spreadSmall(programs, groups, graph), groups, graph);
}

function spreadSmall(
  programs: readonly string[],
  groups: ReadonlyMap<string, Group>,
  graph: ModuleGraph,
): Map<string, string> {
  const names = new Map<string, string>();
  const startsWith = new Map<string, ReadonlySet<string>>();
  for (const [key, group] of groups) {
    for (const id of group.modules) {
      names.set(id, key);
      startsWith.set(id, group.programs);
    }
  }
  const waiting = new Set(
    [...groups.values()].filter(
      ({ programs: starting, reach, modules }) =>
        reach.size > starting.size && sizeOf(modules, graph) <= SMALL_BYTES,
    ),
  );
  for (let count = -1; count !== waiting.size;) {
    count = waiting.size;
    for (const group of waiting) {
      const { reach, modules } = group;
      const leansOnOthers = modules
        .flatMap((id) => graph.imports(id))
        // What is in no group is a package.
        .some((id) => !modules.includes(id) && !isSuperset(startsWith.get(id) ?? reach, reach));
      if (leansOnOthers) continue;
      waiting.delete(group);
      for (const id of modules) {
        names.set(id, programs.filter((program) => reach.has(program)).join(' '));
        startsWith.set(id, reach);
      }
    }
  }
  return names;
}

const isSuperset = (all: ReadonlySet<string>, some: ReadonlySet<string>): boolean =>
  [...some].every((one) => all.has(one));

const sizeOf = (modules: readonly string[], graph: ModuleGraph): number =>
  modules.reduce((sum, id) => sum + graph.size(id), 0);

function joinAlike(
  names: Map<string, string>,
  groups: ReadonlyMap<string, Group>,
  graph: ModuleGraph,
): Map<string, string> {
  const joined = new Map<string, string>();
  for (const [key, { programs, reach, modules }] of groups) {
    const isSpread = modules.some((id) => names.get(id) !== key);
    if (isSpread || reach.size === programs.size || sizeOf(modules, graph) > LARGE_BYTES) continue;
    const alike = `${[...programs].join(' ')} | ${[...reach].join(' ')}`;
    const into = joined.get(alike);
    if (into === undefined) {
      joined.set(alike, key);
      continue;
    }
    for (const id of modules) names.set(id, into);
    if (!needsItself(into, names, graph)) continue;
    for (const id of modules) names.set(id, key);
  }
  return names;
}

/** Files that import one another in a circle would run in an order that their modules were not written for. */
function needsItself(
  group: string,
  names: ReadonlyMap<string, string>,
  graph: ModuleGraph,
): boolean {
  const members = Map.groupBy(names, ([, name]) => name);
  const needs = (name: string): string[] =>
    (members.get(name) ?? [])
      .flatMap(([id]) => graph.imports(id))
      .map((id) => names.get(id) ?? '')
      .filter((other) => other !== name);
  const seen = new Set(needs(group));
  for (const name of seen) for (const other of needs(name)) seen.add(other);
  return seen.has(group);
}
