//! Writing messages straight to bytes. Nothing here decides anything.

use crate::id::Id;
use crate::{ErrorObject, Json, SessionId, json, scan};
use alloc::vec::Vec;

/// A request's id.
fn id(out: &mut Vec<u8>, id: &Id) {
    match id {
        Id::Null => out.extend_from_slice(b"null"),
        Id::Int(n) => integer(out, *n),
        Id::Number(raw) => out.extend_from_slice(raw.as_bytes()),
        Id::Text(text) => string(out, text),
    }
}

pub(crate) fn integer(out: &mut Vec<u8>, n: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// `text` as a JSON string with its quotes (RFC 8259 section 7).
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn session_id(out: &mut Vec<u8>, id: &SessionId) {
    if id.is_plain() {
        id.with_text(|text| {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        });
    } else {
        id.with_text(|text| string(out, text));
    }
}

/// Adds the member `sessionId` to the object that ends `out`, in front of its closing brace (and of `tail` bytes behind it).
///
/// `out` is known to end with `}` and those bytes.
pub(crate) fn insert_session_id(out: &mut Vec<u8>, id: &SessionId, tail: usize) {
    let Some(brace) = out.len().checked_sub(tail + 1) else { return };
    let after_open = out[..brace].iter().rev().find(|b| !b.is_ascii_whitespace());
    let empty = after_open == Some(&b'{');
    let kept = [b'}', b'}'];
    out.truncate(brace);
    if !empty {
        out.push(b',');
    }
    out.extend_from_slice(b"\"sessionId\":");
    session_id(out, id);
    out.extend_from_slice(&kept[..=tail.min(1)]);
}

/// What wraps the result of an answer in the Kurento dialect (PROTOCOL 2); `None` in the strict one.
pub(crate) type Wrap<'a> = Option<Option<&'a SessionId>>;

/// Bytes of an answer beside its id and its result.
const RESULT_FRAME: usize = "{\"jsonrpc\":\"2.0\",\"id\":,\"result\":}".len();

/// Bytes of the object around a value that is none.
const BOX: usize = "{\"value\":}".len();

/// Bytes of the member `sessionId` in an object that has others.
fn member_len(id: &SessionId) -> usize {
    ",\"sessionId\":\"\"".len() + id.text_len()
}

/// `{"jsonrpc":"2.0","id":…,"result":…}`.
pub(crate) fn result(out: &mut Vec<u8>, id: &Id, wrap: Wrap<'_>, json: &Json<'_>) {
    let wrapping = wrap.map_or(0, |session| session.map_or(0, member_len)) + if is_boxed(wrap, json) { BOX } else { 0 };
    out.reserve(RESULT_FRAME + id.text_len() + json.as_str().len() + wrapping);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    self::id(out, id);
    out.extend_from_slice(b",\"result\":");
    match wrap {
        None => out.extend_from_slice(json.as_str().as_bytes()),
        Some(session) => object_with_session(out, session, json),
    }
    out.push(b'}');
}

/// Whether `json` gets an object around it.
pub(crate) fn is_boxed(wrap: Wrap<'_>, json: &Json<'_>) -> bool {
    wrap.is_some() && !is_object(json)
}

fn is_object(json: &Json<'_>) -> bool {
    scan::kind_of(json.as_str()) == scan::Kind::Object
}

/// `json` as an object that carries `sessionId`: a value that is no object becomes `{"value":…}` first.
fn object_with_session(out: &mut Vec<u8>, session: Option<&SessionId>, json: &Json<'_>) {
    if is_object(json) {
        // Ours wins over one that the handler left in its result.
        out.extend_from_slice(json.without_session_id().as_bytes());
    } else {
        out.extend_from_slice(b"{\"value\":");
        out.extend_from_slice(json.as_str().as_bytes());
        out.push(b'}');
    }
    if let Some(id) = session {
        insert_session_id(out, id, 0);
    }
}

/// `{"jsonrpc":"2.0","id":…,"error":{…}}`; `kurento` copies `data.type` to `error.type`.
pub(crate) fn error(out: &mut Vec<u8>, id: &Id, kurento: bool, error: &ErrorObject) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    self::id(out, id);
    out.extend_from_slice(b",\"error\":{\"code\":");
    integer(out, error.code);
    out.extend_from_slice(b",\"message\":");
    string(out, &error.message);
    if let Some(data) = &error.data {
        if kurento && let Some(kind) = json::member(data.as_str(), "type").filter(|v| scan::kind_of(v) == scan::Kind::String) {
            out.extend_from_slice(b",\"type\":");
            out.extend_from_slice(kind.as_bytes());
        }
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data.as_str().as_bytes());
    }
    out.extend_from_slice(b"}}");
}

/// `{"jsonrpc":"2.0","id":…,"method":…,"params":…}`, without `id` for a notification.
pub(crate) fn request(out: &mut Vec<u8>, id: Option<u32>, method: &str, params: Option<&str>) {
    head(out, id, method);
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params.as_bytes());
    }
    out.push(b'}');
}

/// The same with `raw` wrapped as the params' member `value`.
pub(crate) fn request_with_value(out: &mut Vec<u8>, id: Option<u32>, method: &str, raw: &str) {
    head(out, id, method);
    out.extend_from_slice(b",\"params\":{\"value\":");
    out.extend_from_slice(raw.as_bytes());
    out.extend_from_slice(b"}}");
}

/// Bytes of a request, or a few more if there are control characters in its method's name.
pub(crate) fn request_len(id: Option<u32>, method: &str, params: Option<&str>, boxed: bool) -> usize {
    let escaped = method.bytes().map(|b| if b < 0x20 { 6 } else { 1 + usize::from(b == b'"' || b == b'\\') }).sum::<usize>();
    let params = params.map_or(0, |raw| ",\"params\":".len() + raw.len() + if boxed { BOX } else { 0 });
    let id = id.map_or(0, |id| ",\"id\":".len() + Id::Int(id.into()).text_len());
    "{\"jsonrpc\":\"2.0\",\"method\":\"\"}".len() + id + escaped + params
}

fn head(out: &mut Vec<u8>, id: Option<u32>, method: &str) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        integer(out, id);
    }
    out.extend_from_slice(b",\"method\":");
    string(out, method);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_serde_json_reads_them() {
        let text = "a\"b\\c\n\r\t\u{0}\u{1f}\u{7f}ü𝄞";
        let mut out = Vec::new();
        string(&mut out, text);
        assert_eq!(serde_json::from_slice::<alloc::string::String>(&out).unwrap(), text);
    }

    #[test]
    fn integers_are_written_to_both_ends() {
        for n in [0, 7, -7, 10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            integer(&mut out, n);
            assert_eq!(core::str::from_utf8(&out).unwrap().parse::<i64>().unwrap(), n);
        }
    }

    #[test]
    fn the_length_of_a_request_is_known_before_it_is_written() {
        for method in (0..0x80_u8).map(char::from) {
            // Of control characters, three are written by a letter, in two bytes and not six.
            let short = if "\t\n\r".contains(method) { 4 } else { 0 };
            let method = std::format!("a{method}b");
            for id in [None, Some(0), Some(10), Some(u32::MAX)] {
                for params in [None, Some("[1]")] {
                    let mut out = Vec::new();
                    request(&mut out, id, &method, params);
                    assert_eq!(request_len(id, &method, params, false), out.len() + short, "{method:?}");
                }
                let mut out = Vec::new();
                request_with_value(&mut out, id, &method, "[1]");
                assert_eq!(request_len(id, &method, Some("[1]"), true), out.len() + short, "{method:?}");
            }
        }
    }

    #[test]
    fn the_session_id_goes_into_any_object() {
        let id = SessionId::from_text("S").unwrap();
        for (raw, want) in [("{}", r#"{"sessionId":"S"}"#), ("{ }", r#"{ "sessionId":"S"}"#), (r#"{"a":1}"#, r#"{"a":1,"sessionId":"S"}"#)]
        {
            let mut out = raw.as_bytes().to_vec();
            insert_session_id(&mut out, &id, 0);
            assert_eq!(core::str::from_utf8(&out).unwrap(), want);
        }
    }
}
