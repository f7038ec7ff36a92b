//! The command line reference, made from the same model that parses arguments, so that it cannot say anything else.

use clap::{Arg, Command};

use super::exit::CODES;

/// The documents that verbs print with `-o json` and `-o yaml`: kind, by which verb, what is in it.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    (
        "Account",
        "`rbac --kubeconfig`",
        "`kubeconfig`, `name`, `owner`, `server`, `homes`, `scopes`, `expires`",
    ),
    ("Approval", "`approve`", "`plan`, `keyId`, `approvedAt`, `expiresAt`, `signature`"),
    (
        "Build",
        "`build`",
        "`reference`, `digest`, `name`, `version`, `tag`, `component`, `file`, `isMade`, `size`, `imports`, `warnings`",
    ),
    (
        "Cache",
        "`cache list`",
        "`directory`, `limit`, `bytes`, `items`: each with `digest`, `size`, `used`, `shared`, `partial`",
    ),
    ("CacheCheck", "`cache verify`", "`checked`, `damaged`"),
    ("CacheRemoval", "`cache prune`, `cache clear`", "`blobs`, `bytes`"),
    ("CachedBundle", "`pull` without DST", "`reference`, `digest`"),
    ("ClaimList", "`claims export`", "`items`: each with `claim`, `results` and `outputs`; `leftOut`"),
    ("ClaimsImported", "`claims import`", "`name`, `namespace`, `claims`, `withheld`"),
    (
        "Copy",
        "`push`, `pull`, `copy`",
        "`reference`, `digest`, `copied`, `bytes`, `present`, `missing`, `dependencies`",
    ),
    (
        "Diagnosis",
        "`doctor`",
        "`checks`: each with `what`, `state` (`ok`, `warning`, `error`), `text`, `details`",
    ),
    ("Difference", "`diff`", "`name`, `changes`"),
    ("Drift", "`drift`", "`name`, `objects`: each with `state` (`changed`, `missing`, `extra`) and `fields`"),
    ("Error", "any", "`code`, `message`, `causes`, `details`, `unready`, `hint`"),
    (
        "Explanation",
        "`explain`",
        "`digest`, `bundle`, `prepare`, `replace`, `steps`: each with `purpose` and `lines`",
    ),
    ("Grant", "`grant new`", "`metadata`, `spec`: the grant itself"),
    ("GrantCheck", "`grant check`", "`digest`, `covered`, `missing`, `optional`"),
    (
        "Inspection",
        "`inspect`",
        "`digest`, `bundle`, `level`, `trusted`, `reason`, `signatures`, `component`, `can`, `cannot`, `requests`, \
         `requestsFault`, `unrequestedImports`, `unusedRequests`, `unprovidedImports`, `images`, `parameters`, \
         `credentials`, `outputs`, `actions`, `dependencies`, `dependenciesFault`, `warnings`",
    ),
    (
        "Installation",
        "`status`",
        "`name`, `namespace`, `bundle`, `digest`, `target`, `server`, `revision`, `action`, `created`, `rollbackTo`, `result`, `message`, `signers`, \
         `dangers`, `parameters`, `objects`, `outputs`, `requires`, `madeFor`",
    ),
    (
        "InstallationList",
        "`list`",
        "`items`: each like an `Installation`; `unreadable`: why other records cannot be read",
    ),
    ("KeyPair", "`key generate`", "`keyId`, `private`, `public`"),
    ("Lint", "`lint`", "`faults`: each with `pointer`, `what`, `rule`, `severity`, `line`"),
    ("Lock", "`unlock`", "`name`, `holder`: `who`, `since`, `isOverdue`; `unlocked`"),
    ("Login", "`login`, `logout`", "`registry`, `user`, `isKnown`"),
    (
        "Outcome",
        "`install`, `upgrade`, `apply`, `invoke`, `rollback`, `uninstall`, `drift --fix`",
        "`name`, `namespace`, `action`, `bundle`, `revision`, `result`, `plan`, `changes`, `outputs`, `denied`, `kept`, `dependencies`",
    ),
    ("Output", "`outputs NAME OUTPUT`", "`name`, `output`, `value`"),
    ("OutputList", "`outputs`", "`name`, `outputs`, `parameters`"),
    (
        "Plan",
        "`plan`",
        "`digest`, `bundle`, `component`, `installation`, `action`, `revision`, `target`, `inputs`, `changes`, `rbac`, \
         `escalations`, `powers`, `powersGone`, `credentials`, `hostCalls`, `withheld`, `refused`, `steps`",
    ),
    (
        "RevisionList",
        "`history`",
        "`items`: each with `claim`, `revision`, `created`, `action`, `bundle`, `digest`, `result`, `message` and more",
    ),
    ("Rights", "`rbac`", "`name`, `namespace`, `plan`, `objects`, `escalations`, `later`"),
    ("RightsCheck", "`rbac --check`", "`name`, `missing`"),
    ("SchemaList", "`schema`", "`items`: each with `name` and `writtenBy` (`carnet`, `person`)"),
    ("Set", "`params show`, `credentials show`", "`name`, `file`, `items`: each with `name` and `source`"),
    ("SetList", "`params list`, `credentials list`", "`directory`, `items`"),
    ("Signature", "`sign`", "`digest`, `keyId`, `isNew`"),
    ("SourceDirectory", "`init`", "`name`, `directory`, `language`, `attempt`, `publish`"),
    ("TestReport", "`test`", "`cases`: each with `name`, `differences`"),
    (
        "Trust",
        "`trust show`",
        "`file`, `keys`, `rules`, `refusedDigests`, `approvals`, `isBelowMachine`, `machine`",
    ),
    ("TrustCheck", "`trust check`", "`policies`: each with `file`, `isMachines`, `rules`, `remarks`"),
    ("TrustExplanation", "`trust explain`", "`reference`, `canBeTrusted`, `policies`"),
    ("TrustPolicy", "`trust new`", "`spec`: the policy itself"),
    ("Verification", "`verify`", "`digest`, `trusted`, `by`, `rule`, `reason`, `signatures`"),
    ("Version", "`version`", "`version`, `cnab`, `hostInterfaces`"),
];

/// The reference as Markdown.
pub fn markdown() -> String {
    let mut command = super::command();
    command.build();
    let mut page = String::from(
        "# Command line\n\nMade from the program by `cargo test --test interface`; write it anew with `BLESS=1`.\n",
    );
    describe(&mut page, &command, "carnet");
    for verb in command.get_subcommands().filter(is_told) {
        verbs(&mut page, verb, &format!("carnet {}", verb.get_name()));
    }
    codes(&mut page);
    documents(&mut page);
    page
}

fn verbs(page: &mut String, command: &Command, name: &str) {
    section(page, &format!("## `{name}`"));
    describe(page, command, name);
    for verb in command.get_subcommands().filter(is_told) {
        verbs(page, verb, &format!("{name} {}", verb.get_name()));
    }
}

/// Whether a verb has a section. `help` says what stands in those.
fn is_told(verb: &&Command) -> bool {
    !verb.is_hide_set() && verb.get_name() != "help"
}

fn describe(page: &mut String, command: &Command, name: &str) {
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        section(page, &about.to_string());
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    section(page, &format!("```\n{usage}\n```"));
    let is_top = name == "carnet";
    // Flags that every verb has are told once.
    let own = |argument: &&Arg| is_top || !argument.is_global_set();
    let rows: Vec<_> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !is_usual(argument))
        .filter(own)
        .map(row)
        .collect();
    if !rows.is_empty() {
        section(page, &format!("| | |\n|---|---|\n{}", rows.join("\n")));
    }
    if let Some(examples) = command.get_after_help() {
        section(page, &format!("```\n{examples}\n```"));
    }
}

fn is_usual(argument: &Arg) -> bool {
    ["help", "version"].contains(&argument.get_id().as_str())
}

fn row(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let takes_value = argument.get_action().takes_values();
    let choices =
        if choices.is_empty() || !takes_value { String::new() } else { format!(": {}", choices.join(", ")) };
    let env = argument.get_env().map(|name| format!(" (`{}`)", name.to_string_lossy())).unwrap_or_default();
    format!("| `{}` | {}{choices}{env} |", signature(argument).replace('|', "\\|"), help.replace('|', "\\|"))
}

fn signature(argument: &Arg) -> String {
    let value = argument.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
    if argument.is_positional() {
        return value;
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if argument.get_action().takes_values() { format!("{names} {value}") } else { names }
}

fn codes(page: &mut String) {
    section(page, "## Exit codes");
    let rows: Vec<_> =
        CODES.iter().map(|(code, meaning)| format!("| {} | {meaning} |", code.number())).collect();
    section(page, &format!("| code | meaning |\n|---|---|\n{}", rows.join("\n")));
}

fn documents(page: &mut String) {
    section(page, "## Documents");
    section(
        page,
        "With `-o json` or `-o yaml` a verb prints exactly one document on stdout, with \
         `apiVersion: carnet.dev/v1alpha1`, its `kind` and the members below. Everything else is on stderr. \
         `carnet schema KIND` prints the JSON Schema of a kind.",
    );
    let rows: Vec<_> =
        DOCUMENTS.iter().map(|(kind, verb, members)| format!("| `{kind}` | {verb} | {members} |")).collect();
    section(page, &format!("| kind | verb | members |\n|---|---|---|\n{}", rows.join("\n")));
}

fn section(page: &mut String, text: &str) {
    page.push('\n');
    page.push_str(text.trim_end());
    page.push('\n');
}
