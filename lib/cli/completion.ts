// `nv-wal completion`: a script that lets a shell complete the command line. The script knows nothing by itself: with
// every Tab it asks the hidden command `complete`, so it stays right when commands and options change.

import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Completions } from './complete.js';
import { complete } from './complete.js';
import type { JsonOption } from './options.js';
import { addCommand } from './options.js';
import { print, printResult } from './output.js';

const HELP = `Completes commands, options, files, the services and instances below VAR_DIR, and the kinds and shippers of a log that a
process holds. For good:
  bash: nv-wal completion bash > ~/.local/share/bash-completion/completions/nv-wal
  zsh:  nv-wal completion zsh > a folder of your $fpath, as _nv-wal
  fish: nv-wal completion fish > ~/.config/fish/completions/nv-wal.fish

Example:
  nv-wal completion bash > nv-wal.bash && source nv-wal.bash`;

/** What `complete` prints instead of values where the shell is to complete paths. */
const FILES = ':files';
const FOLDERS = ':folders';

const BASH = `# Completes nv-wal in bash.
_nv_wal() {
  local line path tab=$'\\t' current=\${COMP_WORDS[COMP_CWORD]}
  [[ $current == = ]] && current=
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      ${FILES})
        compopt -o filenames 2>/dev/null
        while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -f -- "$current") ;;
      ${FOLDERS})
        compopt -o filenames 2>/dev/null
        while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -d -- "$current") ;;
      *) COMPREPLY+=("\${line%%$tab*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _nv_wal nv-wal`;

const ZSH = `#compdef nv-wal
# Completes nv-wal in zsh.
_nv_wal() {
  local line tab=$'\\t'
  local -a lines values
  lines=("\${(@f)$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    case $line in
      ${FILES}) _files; return ;;
      ${FOLDERS}) _files -/; return ;;
      *) values+=("\${\${line%%$tab*}//:/\\\\:}:\${line#*$tab}") ;;
    esac
  done
  (( $#values )) && _describe 'nv-wal' values
}
if [[ $funcstack[1] == _nv-wal ]]; then _nv_wal "$@"; else compdef _nv_wal nv-wal; fi`;

const FISH = `# Completes nv-wal in fish.
function __nv_wal
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  for line in (command $before[1] complete -- $before[2..-1] "$current" 2>/dev/null)
    switch $line
      case '${FILES}'
        __fish_complete_path "$current"
      case '${FOLDERS}'
        __fish_complete_directories "$current"
      case '*'
        printf '%s\\n' $line
    end
  end
end
complete -c nv-wal -f -a '(__nv_wal)'`;

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;

export function addCompletion(program: Command): void {
  const shells = new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS));
  addCommand(program, 'completion', 'print the script that completes the command line in a shell', HELP)
    .addArgument(shells)
    .action(async (shell: keyof typeof SCRIPTS, { json }: JsonOption) => {
      const script = SCRIPTS[shell];
      await printResult(json, { shell, script }, script);
    });
  // What the scripts ask.
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (words: string[]) => {
      await print(linesOf(await complete(program, words)));
    });
}

function linesOf(completions: Completions): string {
  switch (completions.is) {
    case 'files':
      return `${FILES}\n`;
    case 'folders':
      return `${FOLDERS}\n`;
    case 'values':
      return completions.values
        .map(({ value, description = '' }) => `${value}\t${description.replaceAll(/\s+/g, ' ')}\n`)
        .join('');
    default:
      return completions satisfies never;
  }
}
