//! Requests as documents: what of them can be used.

use serde_json::json;

use super::*;

fn requests(document: Value) -> Requests {
    serde_json::from_value(document).unwrap()
}

#[test]
fn a_name_that_cannot_be_one_is_refused_in_whatever_is_requested() {
    let rule = |kinds: &str, namespace: &str, name: &str| {
        let rule = json!({"verbs": ["get"], "kinds": [kinds], "namespaces": [namespace], "names": [name]});
        json!({ "kubernetes": [rule] })
    };
    let cases = [
        (rule("Pod", "prod", "a;b"), "`a;b` is not the name of an object"),
        (rule("Pod", "Prod", "a"), "`Prod` is not the name of a namespace"),
        (rule("Pod", "prod", "${other}"), "`${other}` is not known here"),
        (json!({"files": [{"name": "../a"}]}), "`../a` is not the name of a file"),
        (json!({"credentials": [{"name": "a b"}]}), "`a b` is not the name of a credential"),
        (
            json!({"credentials": [{"name": "a", "into": ["prod/ConfigMap/a"]}]}),
            "`prod/ConfigMap/a` is not of the form NAMESPACE/Secret/NAME",
        ),
        (
            json!({"generate": [{"name": "a.b", "into": ["prod/Secret/a"]}]}),
            "`a.b` cannot name a generated credential",
        ),
        (
            json!({"generate": [{"name": "a", "into": ["prod/Secret/a*"]}]}),
            "`prod/Secret/a*` does not name one Secret",
        ),
    ];
    for (document, expected) in cases {
        let refusal = requests(document.clone()).check().unwrap_err();
        assert!(matches!(refusal, InvalidRequests::Scope(_)), "{document}");
        assert!(refusal.to_string().starts_with(expected), "{refusal}");
    }
    // A placeholder stands for any value.
    let filled = json!({
        "kubernetes": [{"verbs": ["get"], "kinds": ["Pod"], "namespaces": ["${namespace}"], "names": ["${installation}-*"]}],
        "files": [{"name": "${parameters.file}"}],
        "credentials": [{"name": "a", "into": ["${namespace}/Secret/${parameters.secret}"]}],
        "generate": [{"name": "b", "into": ["${namespace}/Secret/b"]}],
    });
    requests(filled).check().unwrap();
}
