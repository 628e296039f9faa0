use super::*;

#[test]
fn agrees_with_serde_json_on_what_is_json() {
    let open = "[".repeat(127);
    let close = "]".repeat(127);
    let deepest = std::format!("{open}{close}");
    let too_deep = std::format!("[{open}{close}]");
    for text in [
        "0",
        "-0",
        "01",
        "-",
        "1.",
        "1.5",
        ".5",
        "1e5",
        "1E+5",
        "1e",
        "1e+",
        "true",
        "tru",
        "nul",
        "null",
        "\"\"",
        "\"",
        "\"\\",
        "\"\\u12",
        "\"\\u12ag\"",
        "\"\\x\"",
        "\"a\u{1}\"",
        "\"ü𝄞\"",
        "[]",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{}",
        "{",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1",
        "{\"a\":1]",
        "[1}",
        " { \"a\" : [ 1 , { } ] } ",
        "1 1",
        "",
        " ",
        "\u{feff}1",
        &deepest,
        &too_deep,
        "\"0123456789abcdef0123456789abcdef\"",
        "\"0123456789abcde\\\"f\"",
    ] {
        assert_eq!(check(text).is_ok(), serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text:?}");
    }
}

#[test]
fn a_walk_yields_members_as_they_stand() {
    let mut walk = Walk::new(" {\"a\" : [1, 2],\"session\\u0049d\":\"x\"} ", 0).unwrap();
    assert!(walk.is_object());
    let a = walk.next().unwrap().unwrap();
    assert_eq!((a.value.text, a.is("a")), ("[1, 2]", true));
    assert!(walk.next().unwrap().unwrap().is("sessionId"));
    assert!(matches!(walk.next(), Ok(None)));
    assert!(matches!(walk.next(), Ok(None)));
}

#[test]
fn an_error_says_where() {
    assert_eq!(check("[1,2").unwrap_err(), SyntaxError { at: 4, what: "expected ',' or ']'" });
}
