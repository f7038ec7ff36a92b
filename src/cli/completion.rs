//! `carnet completion`.

pub(super) mod candidates;

use clap_complete::Shell;

use super::Context;
use super::exit::{self, Code};

/// Print a completion script for a shell
///
/// In bash, zsh and fish it also completes what is there: installations, revisions, outputs, actions, parameters,
/// tags of a layout, places of bundles and targets, namespaces, contexts and kinds of documents. To do so it asks `carnet`, which reads the state that the line names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet completion bash > /etc/bash_completion.d/carnet
  carnet completion zsh > \"${fpath[1]}/_carnet\"
  carnet completion fish > ~/.config/fish/completions/carnet.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// What bash adds: the line is split at blanks alone, and of what is found only the part is inserted that bash takes for
/// the word.
const BASH: &str = r#"
_carnet_words() {
    _carnet "$@"
    local words current found word kept
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
    current="${words[${#words[@]}-1]}"
    kept="${current%"${current##*[:=]}"}"
    [[ "$COMP_WORDBREAKS" == *:* && "$COMP_WORDBREAKS" == *=* ]] || kept=""
    found="$(command carnet complete-words "${words[@]:1}" 2>/dev/null)"
    [[ -z "$found" ]] || COMPREPLY=()
    while read -r word; do
        [[ -z "$word" ]] || COMPREPLY+=("${word#"$kept"}")
    done <<< "$found"
    [[ "${#COMPREPLY[@]}" == 1 && "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _carnet_words -o bashdefault -o default carnet
"#;

/// The part for zsh, in the place of its default for words that it knows nothing about.
const ZSH: &str = r#"
_carnet_words() {
    local -a typed found
    typed=("${(@s: :)LBUFFER}")
    found=("${(@f)$(command carnet complete-words "${(@)typed[2,-1]}" 2>/dev/null)}")
    found=(${found:#})
    if (( ${#found} )); then
        compadd -S '' -- "${found[@]}"
    else
        _default
    fi
}
"#;

/// The part for fish.
const FISH: &str = r#"
function __carnet_words
    command carnet complete-words (commandline -opc)[2..] (commandline -ct) 2>/dev/null
end
complete -c carnet -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in --param' -l param -x -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in --bundle' -l bundle -x -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in --context' -l context -x -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in --kind' -l kind -x -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in -n --namespace' -s n -l namespace -x -a '(__carnet_words)'
complete -c carnet -n '__fish_prev_arg_in --target' -l target -x -a '(__carnet_words)'
"#;

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "carnet", &mut script);
    context.ui.script(&with_words(args.shell, script))?;
    Ok(exit::DONE)
}

/// The script, with what the shell needs to ask for words.
fn with_words(shell: Shell, script: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => format!("{text}{BASH}").into_bytes(),
        Shell::Fish => format!("{text}{FISH}").into_bytes(),
        Shell::Zsh => {
            let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
            format!("{head}\n{ZSH}{}", rest.replace(":_default'", ":_carnet_words'")).into_bytes()
        }
        _ => script,
    }
}
