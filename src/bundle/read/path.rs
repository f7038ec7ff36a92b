//! Turns paths that an author wrote into what they name, as text alone: nothing is looked up.

/// `path` as an absolute path without empty segments, `.` and `..`. Nothing is above `/`.
pub(super) fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in segments(path) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

pub(super) fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_above_the_root_and_segments_are_whole() {
        for (text, expected) in [
            ("", "/"),
            ("a//b/./c/../d", "/a/b/d"),
            ("/../../etc", "/etc"),
            ("a/..", "/"),
            ("/a/...", "/a/..."),
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
        assert!(is_below("/a/b", "/a") && !is_below("/ab", "/a") && !is_below("/a", "/a"));
    }
}
