use super::*;

fn refusal(text: &str) -> String {
    json(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn duplicate_names_are_refused_at_every_depth() {
    assert!(refusal(r#"{"a":1,"a":2}"#).contains("`a` occurs twice"));
    assert!(refusal(r#"[{"a":{"b":1,"b":1}}]"#).contains("`b` occurs twice"));
    assert!(yaml("a: 1\na: 2").unwrap_err().to_string().contains("`a` occurs twice"));
}

#[test]
fn members_are_sorted_whoever_wrote_them_and_in_whatever_order() {
    let value = json(br#"{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":2}"#).unwrap();
    let sorted = r#"{"a":2,"b":{"c":[{"e":2,"f":1}],"d":1}}"#;
    assert_eq!(written(&value), sorted);
    let mut members = serde_json::Map::new();
    members.insert("b".into(), 1.into());
    members.insert("a".into(), 2.into());
    assert_eq!(written(&members.into()), r#"{"a":2,"b":1}"#);
    assert_eq!(digest(&value), Digest::of(sorted.as_bytes()));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(1000);
    assert!(refusal(&deep).contains("nested too deeply"));
    assert!(yaml(&deep).is_err());
    assert!(json("[".repeat(60).as_bytes()).unwrap_err().to_string().contains("the text ends amid a list"));
}

#[test]
fn what_a_parser_says_about_names_is_safe_to_show() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let json = json_as::<Nothing>(br#"{"\u001b[2J": 1}"#).unwrap_err();
    let yaml = yaml_as::<Nothing>("\"\\e[2J\": 1").unwrap_err();
    for error in [json, yaml] {
        let text = error.to_string();
        assert!(text.contains("there is no member `\\u{1b}[2J`"), "{text}");
        assert_eq!(chain(&error), text);
    }
    assert_eq!(chain(&std::io::Error::other("a\nb")), "a\\u{a}b");
}

#[test]
fn a_byte_order_mark_and_trailing_bytes_are_refused() {
    assert!(refusal("\u{feff}{}").contains("this is no JSON value"));
    assert!(refusal("{} {}").contains("something follows the document"));
    assert!(yaml("a: 1\n---\nb: 2").is_err());
}

#[test]
fn what_a_reader_of_yaml_says_is_said_in_our_words() {
    for (text, expected) in [
        ("a: 1\n---\nb: 2\n", "there is more than one document, where one is read"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4, column 3: the member `c` occurs twice"),
        ("a: *b\n", "alias"),
        ("a: .inf\n", "a number must be finite"),
    ] {
        let told = yaml(text).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
        for word in ["budget", "Policy", "Options", "serde", "{"] {
            assert!(!told.contains(word), "{told}");
        }
    }
}

#[test]
fn what_is_expected_is_told_in_words_of_the_document() {
    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        _names: Vec<u16>,
    }
    let told = |text: &str| yaml_as::<Settings>(text).unwrap_err().to_string();
    assert_eq!(told("text"), "line 1: text is there, where a mapping of names to values is expected");
    assert_eq!(told("_names: 7"), "line 1, `/_names`: a number is there, where a list is expected");
    let of_item = "a whole number that is not negative is expected";
    assert_eq!(
        told("_names:\n- 1\n- -1"),
        format!("line 3, `/_names/1`: a number is there, where {of_item}")
    );
    assert_eq!(told("_names:\n- '1'"), format!("line 2, `/_names/0`: text is there, where {of_item}"));
    assert_eq!(told("other: 1"), "line 1: the member `_names` is missing");
}

#[test]
fn lines_of_a_server_become_one() {
    assert_eq!(visible_line("* one:\n\t* two\r\n\n  three\n"), "* one: * two three");
    assert_eq!(visible_line("a\u{1b}[2J\nb"), "a\\u{1b}[2J b");
}

#[test]
fn whole_numbers_are_written_as_such() {
    let value = serde_json::json!({"a": [1e3, 1.0, -2.0, 1.5, 1e21, "1.0"]});
    assert_eq!(with_whole_numbers(value).to_string(), r#"{"a":[1000,1,-2,1.5,1e+21,"1.0"]}"#);
}

#[test]
fn members_and_items_are_found_on_their_lines() {
    let text = "a: 1\nb:\n  - x\n  - c: { d/e: 1,\n        f: 2 }\n'g': [1,\n 2]\n";
    let wanted = ["/a", "/b", "/b/0", "/b/1", "/b/1/c/d~1e", "/b/1/c/f", "/g/1", "/missing", ""];
    let wanted = wanted.map(str::to_owned).into();
    let lines: Vec<_> = lines_of(text, &wanted).into_iter().collect();
    let expected = [
        ("", 1),
        ("/a", 1),
        ("/b", 2),
        ("/b/0", 3),
        ("/b/1", 4),
        ("/b/1/c/d~1e", 4),
        ("/b/1/c/f", 5),
        ("/g/1", 7),
    ];
    assert_eq!(lines, expected.map(|(at, line)| (at.to_owned(), line)));
    assert!(lines_of("]", &["".to_owned()].into()).is_empty());
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let alias = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
    }
    assert!(yaml(&text).is_err());
}

#[test]
fn unknown_members_are_named_by_pointer() {
    #[derive(serde::Deserialize)]
    struct Known {
        _list: Vec<BTreeMap<String, Inner>>,
    }
    #[derive(serde::Deserialize)]
    struct Inner {}
    let (_, unknown) = json_as::<Known>(br#"{"_list":[{"a/b":{"x":1}}],"y":2}"#).unwrap();
    assert_eq!(unknown, ["/_list/0/a~1b/x", "/y"]);
}

#[test]
fn numbers_and_text_keep_their_types_in_yaml() {
    let value = yaml("port: 8080\nratio: 0.5\nversion: '1.0'\non: true\nnone:\n").unwrap();
    assert_eq!(value, serde_json::json!({"port":8080,"ratio":0.5,"version":"1.0","on":true,"none":null}));
}

#[test]
fn what_could_deceive_a_reader_is_made_visible() {
    assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{200b}\n"), "a\\u{1b}[31mb\\u{202e}c\\u{200b}\\u{a}");
    assert_eq!(visible("Grüße, 世界"), "Grüße, 世界");
    for hidden in [
        '\u{a0}',
        '\u{1680}',
        '\u{2003}',
        '\u{202f}',
        '\u{205f}',
        '\u{2800}',
        '\u{3000}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{ffa0}',
        '\u{e0041}',
        '\u{e0100}',
        '\u{85}',
        '\u{9b}',
        '\u{2066}',
        '\u{e000}',
        '\u{ffff}',
        '\u{7f}',
    ] {
        assert_eq!(visible(&hidden.to_string()), hidden.escape_unicode().to_string());
    }
    assert_eq!(visible("e\u{301}\u{302}\u{303}\u{304}x\u{301}"), "e\u{301}\u{302}\\u{303}\\u{304}x\u{301}");
}

/// A file that is named by mistake may be a key, a password or a whole database.
#[test]
fn no_message_holds_what_does_not_fit() {
    #[derive(Debug, serde::Deserialize, Default)]
    #[serde(default, deny_unknown_fields)]
    struct All {
        _flag: bool,
        _list: Vec<String>,
        _map: BTreeMap<String, u8>,
        _number: u64,
        _text: String,
    }
    let secret = "hunter2".repeat(1000);
    for text in [
        secret.clone(),
        format!("[{secret}]"),
        format!("_flag: {secret}"),
        format!("_flag: [{secret}]"),
        format!("_list: {secret}"),
        "_list: {hunter2: 1}".into(),
        format!("_map: {{a: {secret}}}"),
        format!("_number: {secret}"),
        "_number: -77742".into(),
        "_flag: 77742".into(),
        "_text: 77742".into(),
        "_text: 77742.5".into(),
    ] {
        let told = yaml_as::<All>(&text).unwrap_err().to_string();
        assert!(!told.contains("hunter2") && !told.contains("77742") && told.len() < 200, "{told}");
        assert!(told.contains(" is there, where ") && told.contains("line 1"), "{told}");
    }
    let wrong_name = yaml_as::<All>(&format!("{secret}: 1")).unwrap_err().to_string();
    assert!(wrong_name.len() < 300, "{wrong_name}");
}
