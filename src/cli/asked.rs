//! The command line as it was typed, as far as a hint has to repeat it: whoever pastes the hint means the same bundle, the
//! same installation and the same place.
//!
//! Only what stood on the command line is repeated. The environment and the configuration hold for the next command as well.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches as _};

use crate::reference::Reference;
use crate::text::{Blank, CommandLine, Filling};

use super::act::HomeArgs;
use super::exit::Failure;
use super::inputs;

/// The flags that say where an installation and a bundle are, by their names among the arguments.
const PLACE: [(&str, &str); 8] = [
    ("state", "--state"),
    ("namespace", "-n"),
    ("target", "--target"),
    ("kubeconfig", "--kubeconfig"),
    ("context", "--context"),
    ("as_user", "--as"),
    ("trust", "--trust"),
    ("plain_http", "--plain-http"),
];

/// Those of them that `kubectl` has as well.
const KUBECTL: [&str; 3] = ["--kubeconfig", "--context", "--as"];

/// The verb to which a kubeconfig is no way to the cluster, but a file that it writes.
const LENDING: &str = "rbac";

/// The command line as it was typed.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    name: Option<String>,
    reference: Option<String>,
    plan: Option<String>,
    has_credentials: bool,
    place: Vec<(&'static str, String)>,
    home: Option<HomeArgs>,
}

impl Asked {
    /// The parts of the arguments that hints repeat.
    pub(super) fn of(arguments: &ArgMatches) -> Self {
        let (mut verb, mut innermost) = ("", arguments);
        while let Some((name, inner)) = innermost.subcommand() {
            (verb, innermost) = (name, inner);
        }
        let is_place = |id: &str| id != "kubeconfig" || verb != LENDING;
        let place = PLACE.iter().filter(|(id, _)| is_place(id));
        let place = place.filter_map(|(id, flag)| Some((*id, *flag, typed(innermost, id)?)));
        let has_home = ["namespace", "context"].iter().all(|id| innermost.try_contains_id(id).is_ok());
        Self {
            name: typed(innermost, "name"),
            reference: typed(innermost, "reference"),
            plan: typed(innermost, "plan"),
            has_credentials: typed(innermost, "credentials").is_some(),
            place: place.map(|(_, flag, value)| (flag, value)).collect(),
            home: has_home.then(|| HomeArgs::from_arg_matches(innermost).ok()).flatten(),
        }
    }

    /// The installation that was asked about.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether a credential set was named.
    pub(super) fn has_credentials(&self) -> bool {
        self.has_credentials
    }

    /// The same, with the bundle that is on record where none was named.
    pub(super) fn about(&self, recorded: Option<String>) -> Self {
        let mut asked = self.clone();
        asked.reference = asked.reference.or(recorded);
        asked
    }

    /// Which namespace of which cluster was asked about, where the verb has such flags.
    pub(super) fn home(&self) -> Option<&HomeArgs> {
        self.home.as_ref()
    }

    /// A failure of this command, with a hint that can be pasted.
    pub(super) fn explained(&self, failure: Failure) -> Failure {
        Failure { hint: failure.hint.map(|hint| self.completed(&hint)), ..failure }
    }

    /// A hint with what was typed in its blanks, and with the flags that say where the installation is if it is a command of
    /// ours that takes them.
    pub(super) fn completed(&self, hint: &CommandLine) -> CommandLine {
        let filled = hint.filled(|blank| match blank {
            Blank::Grant => free_grant().map(Filling::Word),
            Blank::Host => self.host().map(Filling::Word),
            Blank::Kubectl => self.kubectl().map(Filling::Line),
            Blank::Name => self.name.clone().map(Filling::Word),
            Blank::Plan => self.plan.clone().map(Filling::Word),
            Blank::Reference => self.reference.clone().map(Filling::Word),
        });
        let takes = flags_of(hint.as_str());
        let is_said = |flag: &str| hint.as_str().split(' ').any(|word| word == flag);
        let is_settled = |flag: &str| is_said(flag) || flag == "-n" && is_said("--all-namespaces");
        let missing = self.place.iter().filter(|(flag, _)| takes.contains(flag) && !is_settled(flag));
        missing.fold(filled, |line, (flag, value)| line.own(flag).word(value))
    }

    /// The registry that the bundle is in which was asked about.
    fn host(&self) -> Option<String> {
        match self.reference.as_deref()?.parse() {
            Ok(Reference::Registry(registry)) => Some(registry.host),
            _ => None,
        }
    }

    /// `kubectl`, with the flags for the cluster that was asked about. None: it finds it by itself.
    fn kubectl(&self) -> Option<CommandLine> {
        let mut said = self.place.iter().filter(|(flag, _)| KUBECTL.contains(flag)).peekable();
        said.peek()?;
        Some(said.fold(CommandLine::of("kubectl"), |line, (flag, value)| line.own(flag).word(value)))
    }
}

/// A name for a new grant, where the usual one is taken.
fn free_grant() -> Option<String> {
    let is_there = |name: &str| inputs::has_entry(Path::new(name));
    if !is_there(Blank::Grant.word()) {
        return None;
    }
    (2..100).map(|number| format!("grant-{number}.yaml")).find(|name| !is_there(name))
}

/// The value of an argument that stood on the command line. Those with the place of a bundle are typed, so what stood there
/// is taken.
fn typed(arguments: &ArgMatches, id: &str) -> Option<String> {
    if !arguments.try_contains_id(id).is_ok_and(|is_there| is_there) {
        return None;
    }
    let is_typed = arguments.value_source(id) == Some(ValueSource::CommandLine);
    let value = arguments.get_raw(id)?.next().filter(|_| is_typed)?;
    value.to_str().map(str::to_owned)
}

/// The flags about places that the verb of a line takes. None where the line is no command of ours.
fn flags_of(line: &str) -> Vec<&'static str> {
    let Some((_, words)) = line.split_once("carnet ") else { return Vec::new() };
    let top = super::command();
    let mut verb: &Command = &top;
    for word in words.split(' ') {
        match verb.find_subcommand(word) {
            Some(inner) => verb = inner,
            None => break,
        }
    }
    let has = |id: &str| verb.get_arguments().any(|argument| argument.get_id() == id);
    // The state is a flag of all, and of use where there is an installation.
    let is_at_home = has("namespace") && has("context");
    let has_bundle = has("reference");
    let is_decided = has_bundle || has("dangerous_unsigned") || verb.get_name() == "show";
    let takes = |id: &str| match id {
        "kubeconfig" => has(id) && verb.get_name() != LENDING,
        "state" => is_at_home,
        // An installation that is there says itself where it is.
        "target" => has_bundle && has(id),
        "trust" => is_decided,
        "plain_http" => has_bundle || verb.get_name() == "login",
        _ => has(id),
    };
    PLACE.iter().filter(|(id, _)| takes(id)).map(|(_, flag)| *flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(typed: &[&str], hint: &'static str) -> String {
        let matches = crate::cli::command().try_get_matches_from([&["carnet"], typed].concat()).unwrap();
        Asked::of(&matches).completed(&CommandLine::of(hint)).to_string()
    }

    #[test]
    fn a_hint_says_again_what_was_typed() {
        let typed = ["upgrade", "web", "layout:a b", "-n", "prod", "--context", "kind", "--target", "kube"];
        assert_eq!(completed(&typed, "carnet inspect REF"), "carnet inspect 'layout:a b'");
        assert_eq!(completed(&typed, "carnet status NAME"), "carnet status web -n prod --context kind");
        assert_eq!(
            completed(&typed, "carnet rbac NAME REF -n dev"),
            "carnet rbac web 'layout:a b' -n dev --target kube --context kind"
        );
        assert_eq!(
            completed(&typed, "carnet list --all-namespaces"),
            "carnet list --all-namespaces --context kind"
        );
        assert_eq!(
            completed(&typed, "kubectl create namespace NAME && kubectl get ns"),
            "kubectl --context kind create namespace web && kubectl --context kind get ns"
        );
        assert_eq!(
            completed(&typed, "add these flags, or write a grant: carnet grant new REF --to grant.yaml"),
            "add these flags, or write a grant: carnet grant new 'layout:a b' --to grant.yaml"
        );
        let typed = [
            "plan",
            "web",
            "r.example:5000/acme/web:1",
            "--trust",
            "t.yaml",
            "--plain-http",
            "r.example:5000",
        ];
        assert_eq!(
            completed(&typed, "carnet inspect REF"),
            "carnet inspect r.example:5000/acme/web:1 --trust t.yaml --plain-http r.example:5000"
        );
        assert_eq!(
            completed(&typed, "carnet login HOST -u USER"),
            "carnet login r.example:5000 -u USER --plain-http r.example:5000"
        );
        assert_eq!(completed(&typed, "carnet status NAME"), "carnet status web");
        assert_eq!(
            completed(&["apply", "a b.json"], "carnet apply PLAN --bundle REF"),
            "carnet apply 'a b.json' --bundle REF"
        );
        let typed = ["history", "web", "--state", "kube", "--kubeconfig=/k", "--as", "it's me"];
        let expected = r"carnet unlock web --state kube --kubeconfig /k --as 'it'\''s me'";
        assert_eq!(completed(&typed, "carnet unlock NAME"), expected);
        assert_eq!(completed(&["inspect", "layout:a"], "carnet verify REF"), "carnet verify layout:a");
    }

    #[test]
    fn what_was_not_typed_stays_a_blank() {
        assert_eq!(completed(&["rollback", "web"], "carnet upgrade NAME REF"), "carnet upgrade web REF");
        assert_eq!(completed(&["version"], "carnet status NAME"), "carnet status NAME");
    }

    #[test]
    fn a_kubeconfig_that_is_to_be_written_is_no_way_to_the_cluster() {
        let typed = ["rbac", "web", "layout:a", "--kubeconfig", "new", "-n", "prod", "--target", "kube"];
        assert_eq!(completed(&typed, "carnet status NAME"), "carnet status web -n prod");
    }
}
