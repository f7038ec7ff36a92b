//! Variables of the environment that are named after things, so that no two things have one.

use std::collections::BTreeSet;

/// Variables that are somebody's already, as far as a credential could be called like one: a shell or the program would
/// find something else there, or take the credential for it.
const TAKEN: [&str; 17] = [
    "CARNET_STATE",
    "CARNET_TARGET",
    "CARNET_TRUST",
    "HOME",
    "HOSTNAME",
    "IFS",
    "KUBECONFIG",
    "LANG",
    "LOGNAME",
    "PATH",
    "PWD",
    "SHELL",
    "TERM",
    "TMPDIR",
    "UID",
    "USER",
    "_",
];

/// A variable for each of these names, in their order: `DB_PASSWORD` for `db-password`. Of several whose names differ in
/// nothing that a variable can have, each but the first has a number.
pub fn variables<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken: BTreeSet<String> = TAKEN.into_iter().map(str::to_owned).collect();
    let of = |name: &str| {
        let variable = variable(name);
        let numbered = (2_usize..).map(|number| format!("{variable}_{number}"));
        let mut free = std::iter::once(variable.clone()).chain(numbered).filter(|it| !taken.contains(it));
        let variable = free.next().unwrap_or(variable);
        taken.insert(variable.clone());
        variable
    };
    names.into_iter().map(of).collect()
}

fn variable(name: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => name,
        _ if name.chars().all(|letter| letter == '_') => "CREDENTIAL".into(),
        _ => format!("_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_variable_of_its_own() {
        let names = ["db-password", "1st.é", "#c", "-c", "a.b", "a-b", "a_b_2", "a_b", "path", "-", "é", ""];
        let expected = [
            "DB_PASSWORD",
            "_1ST__",
            "__C",
            "__C_2",
            "A_B",
            "A_B_2",
            "A_B_2_2",
            "A_B_3",
            "PATH_2",
            "CREDENTIAL",
            "CREDENTIAL_2",
            "CREDENTIAL_3",
        ];
        assert_eq!(variables(names), expected);
    }
}
