//! JSON as text: checked, and laid out without touching a value. A number keeps its digits and an object its order.

use bowline_tokio::{InvalidJson, Json};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How JSON is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A line for each member.
    Pretty,
    /// All in one line.
    Line,
}

/// The JSON value in `text`.
///
/// # Errors
///
/// If it is none; the error shows the place.
pub(crate) fn parse(text: &str) -> Result<Json<'static>, String> {
    match Json::parse(text) {
        Ok(json) => Ok(json.into_owned()),
        // serde_json knows the line.
        Err(error) => Err(match serde_json::from_str::<IgnoredAny>(text) {
            Err(error) if error.line() > 0 => with_place(text, &error),
            Err(_) | Ok(IgnoredAny) => error.to_string(),
        }),
    }
}

/// `json` as serde has it, to be put into something bigger.
pub(crate) fn as_raw<'a>(json: &'a Json<'_>) -> serde_json::Result<&'a RawValue> {
    serde_json::from_str(json.as_str())
}

/// As [`as_raw`], independent of `json`.
pub(crate) fn to_raw(json: &Json<'_>) -> serde_json::Result<Box<RawValue>> {
    as_raw(json).map(ToOwned::to_owned)
}

/// The other way round.
pub(crate) fn from_raw(raw: &RawValue) -> Result<Json<'static>, InvalidJson> {
    Json::parse(raw.get()).map(Json::into_owned)
}

/// The error, and the place in the text with a mark under it.
fn with_place(text: &str, error: &serde_json::Error) -> String {
    const BEFORE: usize = 48;
    const AFTER: usize = 24;
    let line = text.lines().nth(error.line() - 1).unwrap_or_default();
    // The column counts the bytes up to and with the culprit.
    let mut at = error.column().saturating_sub(1).min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = line.split_at(at);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let skipped = before.chars().count().saturating_sub(BEFORE);
    let before: String = before.chars().skip(skipped).map(shown).collect();
    let after: String = after.chars().take(AFTER).map(shown).collect();
    format!("{error}\n  {before}{after}\n  {}^", " ".repeat(before.chars().count()))
}

/// `json`, which must be well formed, in this layout. Control characters inside of strings are escaped.
pub(crate) fn laid_out(json: &str, layout: Layout) -> String {
    let mut writer = Writer { out: String::with_capacity(json.len() * 2), layout, depth: 0 };
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if first == '"' { string_len(rest) } else { first.len_utf8() };
        let (token, tail) = rest.split_at(len);
        rest = tail.trim_start();
        writer.token(token, rest.chars().next());
    }
    writer.out
}

/// The bytes of the string literal that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

struct Writer {
    out: String,
    layout: Layout,
    depth: usize,
}

impl Writer {
    /// Writes a string literal, or one character of anything else; `next` is what follows it.
    fn token(&mut self, token: &str, next: Option<char>) {
        match token {
            "{" | "[" => {
                self.out.push_str(token);
                if !matches!(next, Some('}' | ']')) {
                    self.depth += 1;
                    self.new_line();
                }
            }
            "}" | "]" => {
                if !self.out.ends_with(['{', '[']) {
                    self.depth = self.depth.saturating_sub(1);
                    self.new_line();
                }
                self.out.push_str(token);
            }
            "," => {
                self.out.push(',');
                self.new_line();
            }
            ":" => self.out.push_str(if self.layout == Layout::Pretty { ": " } else { ":" }),
            _ => token.chars().for_each(|c| self.letter(c)),
        }
    }

    fn letter(&mut self, c: char) {
        if c.is_control() {
            // All of them are below U+10000: one escape is enough.
            self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            self.out.push(c);
        }
    }

    fn new_line(&mut self) {
        if self.layout == Layout::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_order_and_its_digits() {
        let raw = r#" {"b" : [1, 2.50, {}],"a":{ "x":[ ], "t":"a\"{,:\\"} , "n":123456789012345678901234567890 }"#;
        let pretty = "{\n  \"b\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"a\": {\n    \"x\": [],\n    \"t\": \"a\\\"{,:\\\\\"\n  },\n  \
                      \"n\": 123456789012345678901234567890\n}";
        assert_eq!(laid_out(raw, Layout::Pretty), pretty);
        let line = r#"{"b":[1,2.50,{}],"a":{"x":[],"t":"a\"{,:\\"},"n":123456789012345678901234567890}"#;
        assert_eq!(laid_out(pretty, Layout::Line), line);
        for scalar in ["7", "\"two words\"", "null", "[]"] {
            assert_eq!(laid_out(scalar, Layout::Pretty), scalar);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(laid_out("\"a\u{7f}\u{9b}b\"", Layout::Line), r#""a\u007f\u009bb""#);
    }

    #[test]
    fn an_error_shows_the_place() {
        let error = parse("{\"a\":1,\n \"é\" 2}").unwrap_err();
        assert!(error.contains("line 2 column 7") && error.ends_with("\n   \"é\" 2}\n       ^"), "{error}");
        assert!(parse("").is_err());
        assert!(parse(&"[".repeat(1000)).is_err());
        assert_eq!(parse(" 1 ").unwrap().as_str(), "1");
    }
}
