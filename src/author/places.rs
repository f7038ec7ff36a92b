//! Turns places in a document that is made of another into places where its author wrote them.

use std::collections::BTreeSet;

use crate::bundle::Fault;
use crate::capability::EXTENSION;
use crate::document;

/// Faults with their places in `carnet.yaml`: faults of a bundle that is made of it have others, which nobody wrote.
pub(super) fn placed(faults: Vec<Fault>, yaml: &str) -> Vec<Fault> {
    let mut faults: Vec<_> =
        faults.into_iter().map(|fault| Fault { pointer: written_at(&fault.pointer), ..fault }).collect();
    let wanted: BTreeSet<_> =
        faults.iter().flat_map(|fault| ancestors(&fault.pointer)).map(Into::into).collect();
    let lines = document::lines_of(yaml, &wanted);
    for fault in &mut faults {
        fault.line = ancestors(&fault.pointer).find_map(|at| lines.get(at).copied());
    }
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// The place in `carnet.yaml` of what is at this one in `bundle.json`.
fn written_at(pointer: &str) -> String {
    for (theirs, ours, behind) in [
        ("/definitions/parameter-", "/parameters/", "/schema"),
        ("/definitions/output-", "/outputs/", "/schema"),
    ] {
        if let Some(rest) = pointer.strip_prefix(theirs) {
            let (name, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            return format!("{ours}{name}{behind}{below}");
        }
    }
    if pointer.starts_with("/invocationImages") {
        return "/component".into();
    }
    if let Some(rest) = pointer.strip_prefix("/custom/io.cnab.dependencies") {
        let below = rest.strip_prefix("/requires").map(|rest| format!("/dependencies{rest}"));
        let below = below.unwrap_or_else(|| rest.to_owned());
        return below.replace("/version/ranges", "/versions").replace("/version/prereleases", "/prereleases");
    }
    if let Some(rest) = pointer.strip_prefix("/custom/io.cnab.parameter-sources/") {
        let name = rest.split('/').next().unwrap_or_default();
        return format!("/parameters/{name}/from");
    }
    let custom = format!("/custom/{EXTENSION}");
    match pointer.strip_prefix(&custom) {
        Some(below) => format!("/requests{below}"),
        None => pointer.replacen("/destination/", "/", 1),
    }
}

/// A place and those around it, the nearest first.
fn ancestors(pointer: &str) -> impl Iterator<Item = &str> {
    let parent = move |at: &&str| pointer.get(..at.rfind('/')?);
    std::iter::successors(Some(pointer), parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::source::RULE;

    #[test]
    fn a_fault_of_the_bundle_is_told_where_its_author_wrote_it() {
        for (theirs, ours) in [
            ("/definitions/parameter-a~1b/default", "/parameters/a~1b/schema/default"),
            ("/definitions/output-url", "/outputs/url/schema"),
            ("/parameters/x/destination/env", "/parameters/x/env"),
            ("/invocationImages/0/image", "/component"),
            ("/custom/dev.carnet.capabilities/files", "/requests/files"),
            ("/custom/io.cnab.dependencies/requires/db/version/ranges/1", "/dependencies/db/versions/1"),
            ("/custom/io.cnab.dependencies/requires/db/bundle", "/dependencies/db/bundle"),
            ("/custom/io.cnab.dependencies/sequence/0", "/sequence/0"),
            ("/custom/io.cnab.parameter-sources/url/sources/output/name", "/parameters/url/from"),
            ("/version", "/version"),
            ("", ""),
        ] {
            assert_eq!(written_at(theirs), ours);
        }
    }

    #[test]
    fn a_fault_has_the_line_of_its_member_or_of_the_nearest_around_it() {
        let fault = |at: &str| Fault::error(at.into(), "is wrong".into(), RULE);
        let yaml = "name: x\nimages:\n  web:\n    size: 1\n";
        let faults = placed(
            vec![fault("/images/web/sise"), fault("/images/web/size"), fault("/name"), fault("/other")],
            yaml,
        );
        let lines: Vec<_> = faults.iter().map(|fault| (&*fault.pointer, fault.line)).collect();
        let expected = [("/name", 1), ("/other", 1), ("/images/web/sise", 3), ("/images/web/size", 4)];
        assert_eq!(lines, expected.map(|(at, line)| (at, Some(line))));
        assert_eq!(faults[0].to_string(), "/name: is wrong (Source of carnet.dev/v1alpha1, line 1)");
    }
}
