use crate::frame::{escape, quote};
use crate::route::Receiving;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A longer name is no callback's.
const MAX_CALLBACK: usize = 64;
/// Bytes that some browsers wait for before they show the first of a stream to its page.
const PRELUDE: usize = 2048;
/// The same, of a page.
const PAGE_PRELUDE: usize = 1024;

/// How frames reach the client: what a request that waits for them makes of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Each as a message of a WebSocket.
    WebSocket,
    /// One, and a line's end.
    Xhr,
    /// Each with a line's end, behind two kilobytes of `h`.
    XhrStreaming,
    /// Each as an event (HTML Standard, "Server-sent events").
    EventSource,
    /// Each as a script of a page that does not end.
    HtmlFile(Callback),
    /// One, as a script.
    Jsonp(Callback),
}

/// The name of the function that a script or a page calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(Box<str>);

/// The query names no function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCallback {
    /// There is no field `c` or `callback`.
    Missing,
    /// It has other characters than letters, digits, `-`, `_` and `.`, or too many.
    Invalid,
}

impl BadCallback {
    /// What SockJS servers answer, with the status 500.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "\"callback\" parameter required",
            Self::Invalid => "invalid \"callback\" parameter",
        }
    }
}

impl fmt::Display for BadCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for BadCallback {}

impl Callback {
    fn of(query: Option<&str>) -> Result<Self, BadCallback> {
        let mut fields = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let (_, name) = fields.find(|(name, _)| name == "c" || name == "callback").ok_or(BadCallback::Missing)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() {
            return Err(BadCallback::Missing);
        }
        if name.len() > MAX_CALLBACK || !name.bytes().all(is_name) {
            return Err(BadCallback::Invalid);
        }
        Ok(Self(name.into()))
    }
}

impl Reception {
    /// That of a request for `receiving` with this query.
    ///
    /// # Errors
    ///
    /// If it needs the name of a function and the query has none.
    pub fn of(receiving: Receiving, query: Option<&str>) -> Result<Self, BadCallback> {
        Ok(match receiving {
            Receiving::Xhr => Self::Xhr,
            Receiving::XhrStreaming => Self::XhrStreaming,
            Receiving::EventSource => Self::EventSource,
            Receiving::HtmlFile => Self::HtmlFile(Callback::of(query)?),
            Receiving::Jsonp => Self::Jsonp(Callback::of(query)?),
        })
    }

    /// The `Content-Type` of the response.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::WebSocket | Self::Xhr | Self::XhrStreaming | Self::Jsonp(_) => "application/javascript; charset=UTF-8",
            Self::EventSource => "text/event-stream; charset=UTF-8",
            Self::HtmlFile(_) => "text/html; charset=UTF-8",
        }
    }

    /// Whether the response has as many frames as there are. Otherwise it has one.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        match self {
            Self::WebSocket | Self::XhrStreaming | Self::EventSource | Self::HtmlFile(_) => true,
            Self::Xhr | Self::Jsonp(_) => false,
        }
    }

    /// Whether a stream ends when enough was sent, so that the browser can forget it.
    ///
    /// A browser that keeps what an `XMLHttpRequest` has read tells its page whether that is the whole response. Of the end of an event source or a page it does not: the client asks again, and if
    /// what came last was cut off, that is lost and nobody knows. So these go on until their connection breaks, which ends the session.
    pub(crate) fn is_limited(&self) -> bool {
        match self {
            Self::XhrStreaming => true,
            Self::WebSocket | Self::Xhr | Self::EventSource | Self::HtmlFile(_) | Self::Jsonp(_) => false,
        }
    }

    /// Appends what comes before the first frame.
    pub(crate) fn prelude(&self, out: &mut Vec<u8>) {
        match self {
            Self::WebSocket | Self::Xhr | Self::Jsonp(_) => {}
            Self::XhrStreaming => {
                out.resize(out.len() + PRELUDE, b'h');
                out.push(b'\n');
            }
            Self::EventSource => out.extend_from_slice(b"\r\n"),
            Self::HtmlFile(callback) => page(out, callback),
        }
    }

    /// Appends what is made of a frame.
    pub(crate) fn wrap(&self, out: &mut Vec<u8>, frame: &[u8]) {
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        match self {
            Self::WebSocket => put(frame),
            Self::Xhr | Self::XhrStreaming => {
                put(frame);
                put(b"\n");
            }
            Self::EventSource => {
                put(b"data: ");
                // The client undoes the escapes of URLs. A frame has no line's end.
                for (n, part) in frame.split(|byte| *byte == b'%').enumerate() {
                    put(if n > 0 { b"%25" } else { b"" });
                    put(part);
                }
                put(b"\r\n\r\n");
            }
            Self::HtmlFile(_) => {
                put(b"<script>\np(");
                script_string(out, frame);
                out.extend_from_slice(b");\n</script>\r\n");
            }
            Self::Jsonp(Callback(name)) => {
                // The comment keeps the callback's name from being the first bytes of something else.
                put(b"/**/");
                put(name.as_bytes());
                put(b"(");
                script_string(out, frame);
                out.extend_from_slice(b");\r\n");
            }
        }
    }
}

/// Appends a frame as a string in a script, which must not end the script.
fn script_string(out: &mut Vec<u8>, frame: &[u8]) {
    let mut quoted = Vec::with_capacity(frame.len() + frame.len() / 8 + 2);
    quote(&mut quoted, &String::from_utf8_lossy(frame));
    for byte in quoted {
        match byte {
            b'<' | b'>' | b'&' => escape(out, u16::from(byte)),
            byte => out.push(byte),
        }
    }
}

/// The head of a page whose scripts call its parent's function.
fn page(out: &mut Vec<u8>, Callback(name): &Callback) {
    let from = out.len();
    for part in [
        "<!doctype html>\n<html><head>\n  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n",
        "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n</head><body><h2>Don't panic!</h2>\n  <script>\n",
        "    document.domain = document.domain;\n    var c = parent.",
        name,
        ";\n    c.start();\n    function p(d) {c.message(d);};\n    window.onload = function() {c.stop();};\n  </script>",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    let written = out.len() - from;
    out.resize(out.len() + PAGE_PRELUDE.saturating_sub(written), b' ');
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn wrapped(receiving: Receiving, frame: &str) -> String {
        let mut out = vec![];
        Reception::of(receiving, Some("c=cb")).unwrap().wrap(&mut out, frame.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_response_has_its_own_wrapping() {
        for (receiving, expected) in [
            (Receiving::Xhr, "a[\"50%41 </script>\"]\n"),
            (Receiving::XhrStreaming, "a[\"50%41 </script>\"]\n"),
            (Receiving::EventSource, "data: a[\"50%2541 </script>\"]\r\n\r\n"),
            (Receiving::HtmlFile, "<script>\np(\"a[\\\"50%41 \\u003c/script\\u003e\\\"]\");\n</script>\r\n"),
            (Receiving::Jsonp, "/**/cb(\"a[\\\"50%41 \\u003c/script\\u003e\\\"]\");\r\n"),
        ] {
            assert_eq!(wrapped(receiving, "a[\"50%41 </script>\"]"), expected, "{receiving:?}");
        }
    }

    #[test]
    fn a_callback_is_a_name() {
        for (query, expected) in [
            (None, Err(BadCallback::Missing)),
            (Some(""), Err(BadCallback::Missing)),
            (Some("d=x"), Err(BadCallback::Missing)),
            (Some("c="), Err(BadCallback::Missing)),
            (Some("c=%20"), Err(BadCallback::Invalid)),
            (Some("c=*"), Err(BadCallback::Invalid)),
            (Some("c=abc("), Err(BadCallback::Invalid)),
            (Some("c=abc%28"), Err(BadCallback::Invalid)),
            (Some("t=1&c=%63all-_.back"), Ok("call-_.back")),
            (Some("callback=_jp.a1"), Ok("_jp.a1")),
        ] {
            for receiving in [Receiving::Jsonp, Receiving::HtmlFile] {
                let callback = match Reception::of(receiving, query) {
                    Ok(Reception::Jsonp(Callback(name)) | Reception::HtmlFile(Callback(name))) => Ok(name.to_string()),
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => Err(error),
                };
                assert_eq!(callback.as_deref(), expected.as_ref().copied(), "{query:?}");
            }
        }
        for (bad, text) in
            [(BadCallback::Missing, "\"callback\" parameter required"), (BadCallback::Invalid, "invalid \"callback\" parameter")]
        {
            assert_eq!((bad.as_str(), &*bad.to_string()), (text, text));
        }
        let longest = "c=".to_string() + &"x".repeat(MAX_CALLBACK);
        assert!(Reception::of(Receiving::Jsonp, Some(&longest)).is_ok());
        let long = "c=".to_string() + &"x".repeat(MAX_CALLBACK + 1);
        assert_eq!(Reception::of(Receiving::Jsonp, Some(&long)), Err(BadCallback::Invalid));
    }

    #[test]
    fn each_kind_of_response_says_what_it_is() {
        for (receiving, expected) in [
            (Receiving::Xhr, "application/javascript; charset=UTF-8"),
            (Receiving::XhrStreaming, "application/javascript; charset=UTF-8"),
            (Receiving::EventSource, "text/event-stream; charset=UTF-8"),
            (Receiving::HtmlFile, "text/html; charset=UTF-8"),
            (Receiving::Jsonp, "application/javascript; charset=UTF-8"),
        ] {
            assert_eq!(Reception::of(receiving, Some("c=cb")).unwrap().content_type(), expected, "{receiving:?}");
        }
    }

    #[test]
    fn a_page_is_long_enough_to_be_shown() {
        // Behind something else.
        let mut out = vec![b' '; 10];
        Reception::of(Receiving::HtmlFile, Some("c=cb")).unwrap().prelude(&mut out);
        assert_eq!(out.len(), 10 + PAGE_PRELUDE + 4);
        assert!(String::from_utf8(out).unwrap().contains("var c = parent.cb;\n"));
    }
}
