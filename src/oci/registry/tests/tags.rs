//! The tags of a repository, as a registry tells of them.

use super::*;

fn page(tags: &serde_json::Value) -> Reply {
    reply(200, json!({ "name": "acme/web", "tags": tags }).to_string())
}

#[tokio::test]
async fn tags_come_page_by_page_and_no_tag_is_none() {
    let server = Server::start().await;
    server.answer(|seen| {
        let next = "</v2/acme/web/tags/list?last=b&n=1000>; rel=\"next\"";
        Some(match seen.path.contains("last=b") {
            false => page(&json!(["a", "b"])).with("Link", next),
            // What is no text is no tag.
            true => page(&json!(["1.0.0", 7, null])),
        })
    });
    let found = open(&server).tags().await.unwrap();
    assert_eq!(found.unwrap(), ["a", "b", "1.0.0"]);
    assert!(server.seen().iter().all(|seen| seen.path.starts_with("/v2/acme/web/tags/list?")));
    // All tags of a repository can be removed, and it is there all the same.
    for none in [json!(null), json!([])] {
        server.answer(move |_| Some(page(&none)));
        assert_eq!(open(&server).tags().await.unwrap(), Some(Vec::new()));
    }
    server.answer(|_| Some(reply(404, "")));
    assert_eq!(open(&server).tags().await.unwrap(), None);
}

#[tokio::test]
async fn tags_without_end_and_what_is_no_list_of_them_are_refused() {
    let server = Server::start().await;
    for count in [0_usize, 1000] {
        server.seen();
        server.answer(move |seen| {
            let at: usize = seen.path.split_once("page=").map_or(0, |(_, it)| it.parse().unwrap());
            let tags: Vec<_> = (0..count).map(|number| format!("{at}.0.{number}")).collect();
            Some(page(&json!(tags)).with("Link", format!("<?page={}>; rel=next", at + 1)))
        });
        let refused = open(&server).tags().await.unwrap_err();
        assert!(matches!(refused, OciError::TooMany("a list of tags")), "{refused:?}");
        assert!(server.seen().len() <= 201);
    }
    for body in ["", "[", "\"x\"", r#"{"tags": "1.0.0"}"#, r#"{"tags": {}}"#] {
        server.answer(move |_| Some(reply(200, body)));
        let told = open(&server).tags().await;
        let is_refused = matches!(told, Err(OciError::Document { .. } | OciError::Form(_)));
        // A text alone has no tags.
        assert!(is_refused || body == "\"x\"" && told.is_ok(), "{body}");
    }
    server.answer(|_| {
        Some(page(&json!([])).with("Link", "<http://127.0.0.1:1/v2/acme/web/tags/list>; rel=\"next\""))
    });
    assert!(matches!(open(&server).tags().await, Err(OciError::Registry(_))));
}
