// [m] `pilot-agent completion`: scripts by which shells complete our commands and flags, made of the same tables that read them.
import type { CommandSpec } from '../command-line.ts';
import type { CommandOutputs } from './request.ts';

const PROGRAM = 'pilot-agent';

/** Words of each command: flags, and what may stand in place of its argument. */
type Words = ReadonlyMap<string, readonly string[]>;

function wordsOf(specs: readonly CommandSpec[], bare: readonly string[]): Words {
  const words = new Map<string, readonly string[]>(bare.map((name) => [name, []]));
  for (const { name, flags, synopsis } of specs) {
    const [, choices] = /^[a-z-]+ \[?([a-z|]+)\]?(?: |$)/.exec(synopsis) ?? [];
    const listed = choices?.includes('|') === true ? choices.split('|') : [];
    words.set(name, [...listed, ...flags.map((flag) => `--${flag.name}`), '--help']);
  }
  return words;
}

function bash(words: Words): string {
  const cases = [...words].map(
    ([name, list]) => `    ${name}) COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$word")) ;;`,
  );
  return `_pilot_agent() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...words.keys()].join(' ')}' -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
}
complete -o default -F _pilot_agent ${PROGRAM}
`;
}

const zsh = (words: Words): string =>
  `#compdef ${PROGRAM}\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;

function fish(words: Words): string {
  const first = `complete -c ${PROGRAM} -f -n __fish_use_subcommand -a '${[...words.keys()].join(' ')}'`;
  const rest = [...words]
    .filter(([, list]) => list.length > 0)
    .map(
      ([name, list]) =>
        `complete -c ${PROGRAM} -n '__fish_seen_subcommand_from ${name}' -a '${list.join(' ')}'`,
    );
  return `${[first, ...rest].join('\n')}\n`;
}

function powershell(words: Words): string {
  const quoted = (list: readonly string[]): string => list.map((word) => `'${word}'`).join(', ');
  const entries = [...words].map(([name, list]) => `    '${name}' = @(${quoted(list)})`);
  return `Register-ArgumentCompleter -Native -CommandName '${PROGRAM}' -ScriptBlock {
  param($word, $ast, $position)
  $words = @{
${entries.join('\n')}
  }
  $command = $ast.CommandElements | Select-Object -Skip 1 -First 1
  $list = if ($words.ContainsKey("$command") -and "$command" -ne $word) { $words["$command"] } else { $words.Keys }
  $list | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`;
}

const SHELLS: ReadonlyMap<string, (words: Words) => string> = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
  ['powershell', powershell],
]);

/** The exit code. `bare`: commands whose flags another program reads. */
export function runCompletion(
  shell: string | undefined,
  specs: readonly CommandSpec[],
  bare: readonly string[],
  { out, err }: CommandOutputs,
): number {
  const write = SHELLS.get(shell ?? '');
  if (write === undefined) {
    err.write(`pilot-agent: completion needs one of ${[...SHELLS.keys()].join(', ')}\n`);
    return 1;
  }
  out.write(write(wordsOf(specs, bare)));
  return 0;
}
