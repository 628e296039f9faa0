use crate::raw::{Raw, SessionMember};
use crate::scan::{self, Walk};
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::Serialize;

/// A JSON text that is known to be well formed, without space around it.
///
/// Params, results and error data travel as this type: borrowed from the frame where they are used at once, owned where they
/// must outlive it. Decode it with [`decode_params`](crate::decode_params) or [`decode_result`](crate::decode_result), or read
/// [`Json::as_str`].
#[derive(Clone)]
pub struct Json<'a> {
    text: Cow<'a, str>,
    /// It is known to be no object that has a member `sessionId`.
    bare: bool,
    /// How many arrays and objects are open in it at once, or [`NOT_COUNTED`].
    levels: u32,
}

const NOT_COUNTED: u32 = u32::MAX;

impl<'a> Json<'a> {
    /// The JSON value `null`.
    pub const NULL: Json<'static> = Json { text: Cow::Borrowed("null"), bare: true, levels: 0 };

    /// The empty answer of the Kurento dialect (PROTOCOL 2).
    pub(crate) const EMPTY: Json<'static> = Json { text: Cow::Borrowed("\"\""), bare: true, levels: 0 };

    /// Checks `text` and keeps the one value in it.
    ///
    /// # Errors
    ///
    /// If `text` is not JSON (RFC 8259) or nested deeper than 127 levels; the error says where.
    pub fn parse(text: &'a str) -> Result<Self, InvalidJson> {
        scan::check(text).map(Raw::whole).map_err(InvalidJson)
    }

    /// A value written as JSON.
    ///
    /// # Errors
    ///
    /// If `T` has no form in JSON (a map whose keys are no strings) or its `Serialize` fails.
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Json<'static>, serde_json::Error> {
        serde_json::to_string(value).map(Json::trusted)
    }

    /// Text that the scanner has been over already.
    pub(crate) fn trusted(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), bare: false, levels: NOT_COUNTED }
    }

    /// Whether it can be sent with so many arrays and objects around it, of which a message is one: no peer reads more than 127 levels (docs/protocol.md, section 1).
    #[must_use]
    pub fn fits_within(&self, around: u32) -> bool {
        let most = scan::MAX_DEPTH.saturating_sub(around);
        let counted = match self.levels {
            // Each level takes two bytes.
            NOT_COUNTED if self.text.len() <= 2 * most as usize => 0,
            NOT_COUNTED => scan::check(&self.text).map_or(NOT_COUNTED, |raw| raw.levels),
            counted => counted,
        };
        counted <= most
    }

    /// The text without a member `sessionId`.
    pub(crate) fn without_session_id(&self) -> Cow<'_, str> {
        if self.bare { Cow::Borrowed(&self.text) } else { without_session_id(&self.text).0 }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same value, independent of the frame that it came in.
    #[must_use]
    pub fn into_owned(self) -> Json<'static> {
        Json { text: Cow::Owned(self.text.into_owned()), ..self }
    }

    /// The same value, borrowed from this one.
    #[must_use]
    pub fn borrow(&self) -> Json<'_> {
        Json { text: Cow::Borrowed(&self.text), ..*self }
    }
}

impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Json<'_> {}

impl Hash for Json<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'a> Raw<'a> {
    /// The value of its member `sessionId`.
    pub(crate) fn session_id(self) -> Option<&'a str> {
        match self.session {
            SessionMember::Absent => None,
            SessionMember::One { colon, end, .. } => self.text.get(colon..end).map(str::trim_start),
            SessionMember::Unclear => without_session_id(self.text).1,
        }
    }

    /// The same value without its member `sessionId`.
    pub(crate) fn without_session_id(self) -> Json<'a> {
        let text = match self.session {
            SessionMember::Absent => Cow::Borrowed(self.text),
            SessionMember::One { start, end, .. } => Cow::Owned(cut_out(self.text, start, end)),
            SessionMember::Unclear => without_session_id(self.text).0,
        };
        Json { text, bare: true, levels: self.levels }
    }

    /// The whole value.
    pub(crate) fn whole(self) -> Json<'a> {
        Json { text: Cow::Borrowed(self.text), bare: self.session == SessionMember::Absent, levels: self.levels }
    }
}

/// The object without the member from `start` to `end`, and without one of the commas beside it.
fn cut_out(object: &str, start: usize, end: usize) -> String {
    let (before, after) = (object.get(..start).unwrap_or_default(), object.get(end..).unwrap_or_default());
    let (before, after) = match before.trim_end().strip_suffix(',') {
        Some(before) => (before, after),
        None => (before, after.trim_start().trim_start_matches(',')),
    };
    let mut kept = String::with_capacity(before.len() + after.len());
    kept.push_str(before);
    kept.push_str(after);
    kept
}

/// A text that is not JSON: what was expected, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJson(scan::SyntaxError);

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for InvalidJson {}

/// The value of member `name`, if `raw` is an object that has it; the last one if it has several, as every parser has it.
pub(crate) fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let mut walk = Walk::new(raw, 0).filter(Walk::is_object)?;
    let mut found = None;
    while let Ok(Some(item)) = walk.next() {
        if item.is(name) {
            found = Some(item.value.text);
        }
    }
    found
}

/// Whether it is an object without members.
pub(crate) fn is_empty(raw: &str) -> bool {
    Walk::new(raw, 0).filter(Walk::is_object).is_some_and(|mut walk| matches!(walk.next(), Ok(None)))
}

/// The only member of an object.
pub(crate) fn only_member(raw: &str) -> Option<&str> {
    let mut walk = Walk::new(raw, 0).filter(Walk::is_object)?;
    let only = walk.next().ok()??.value.text;
    walk.next().ok()?.is_none().then_some(only)
}

/// The same if it is called `name`. Of an object that begins with another member, nothing else is read.
pub(crate) fn only_member_named<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let mut walk = Walk::new(raw, 0).filter(Walk::is_object)?;
    let only = walk.next_named(name).ok()??;
    walk.next().ok()?.is_none().then_some(only)
}

/// An object without its member `sessionId`, and that member's value. Any other value comes back as it is.
pub(crate) fn without_session_id(raw: &str) -> (Cow<'_, str>, Option<&str>) {
    const NAME: &str = "sessionId";
    // Spelled with escapes it would not be found by its letters; a backslash is reason enough to look.
    if !may_be_named(raw.as_bytes()) {
        return (Cow::Borrowed(raw), None);
    }
    let Some(mut walk) = Walk::new(raw, 0).filter(Walk::is_object) else {
        return (Cow::Borrowed(raw), None);
    };
    let mut id = None;
    let mut kept = String::new();
    while let Ok(Some(item)) = walk.next() {
        if item.is(NAME) {
            if id.is_none() {
                // The first one found: what stands before it is kept whole.
                kept.reserve_exact(raw.len() - item.value.text.len());
                kept.push_str(raw[..item.span.start].trim_end().trim_end_matches(','));
            }
            id = Some(item.value.text);
        } else if id.is_some() {
            if kept.len() > 1 {
                kept.push(',');
            }
            kept.push_str(&raw[item.span]);
        }
    }
    if id.is_none() {
        return (Cow::Borrowed(raw), None);
    }
    kept.push('}');
    (Cow::Owned(kept), id)
}

/// Whether `sessionId` could stand in it. The capital letter is rare: what stands around it decides.
fn may_be_named(raw: &[u8]) -> bool {
    memchr::memchr2_iter(b'I', b'\\', raw).any(|at| raw[at] == b'\\' || raw[..at].ends_with(b"session"))
}

/// A string member's text; `Err` names what else it was.
pub(crate) fn text_of(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    scan::decode_string(raw).ok_or("expected a string")
}

/// A member that counts something.
pub(crate) fn count_of(raw: &str) -> Result<u64, &'static str> {
    raw.parse().map_err(|_| "expected a whole number from 0")
}

/// Removes serde_json's position, which counts in a text that the peer never saw.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].into(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_text() {
        let hash =
            |json: &Json<'_>| std::hash::BuildHasher::hash_one(&std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default(), json);
        let (one, same, other) = (Json::trusted("[1]"), Json::parse("[1]").unwrap(), Json::trusted("[2]"));
        assert!(one == same && one != other);
        assert!(hash(&one) == hash(&same) && hash(&one) != hash(&other));
        assert_eq!((std::format!("{one:?}"), std::format!("{one}")), ("[1]".into(), "[1]".into()));
    }

    #[test]
    fn what_was_left_in_can_still_be_cut_out() {
        for (text, rest) in
            [(r#"{"sessionId":"S","a":1}"#, r#"{"a":1}"#), (r#"{"session\u0049d":"S"}"#, "{}"), (r#"{"a":1}"#, r#"{"a":1}"#)]
        {
            let whole = scan::check(text).unwrap().whole();
            assert_eq!((whole.as_str(), &*whole.without_session_id()), (text, rest));
        }
    }

    #[test]
    fn every_member_of_the_name_is_cut_out() {
        for (text, rest) in [
            (r#"{"sessionId":"S","a":1,"sessionId":"T"}"#, r#"{"a":1}"#),
            (r#"{"a":1,"sessionId":"S","sessionId":"T","b":[2],"sessionId":3}"#, r#"{"a":1,"b":[2]}"#),
            (r#"{"sessionId":"S","session\u0049d":"T"}"#, "{}"),
        ] {
            assert_eq!(scan::check(text).unwrap().without_session_id().as_str(), rest);
        }
    }

    #[test]
    fn the_session_id_is_cut_out_and_nothing_else() {
        for (raw, rest, id) in [
            (r#"{"sessionId":"S"}"#, "{}", Some("\"S\"")),
            (r#"{"a":1,"sessionId":"S"}"#, r#"{"a":1}"#, Some("\"S\"")),
            (r#"{"sessionId":"S","a":[1, 2]}"#, r#"{"a":[1, 2]}"#, Some("\"S\"")),
            (r#"{ "a" : 1 , "sessionId":"S" , "b":{"sessionId":3} }"#, r#"{ "a" : 1 ,"b":{"sessionId":3}}"#, Some("\"S\"")),
            (r#"{"a":1,"session\u0049d":"S"}"#, r#"{"a":1}"#, Some("\"S\"")),
            (r#"{"sessionId":1,"a":2,"sessionId":null}"#, r#"{"a":2}"#, Some("null")),
            (r#"{"a":"sessionId"}"#, r#"{"a":"sessionId"}"#, None),
            (r#"["sessionId"]"#, r#"["sessionId"]"#, None),
        ] {
            let (got, got_id) = without_session_id(raw);
            assert_eq!((got_id, Json::parse(&got).unwrap().as_str()), (id, got.as_ref()), "{raw}");
            let (got, want): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&got).unwrap(), serde_json::from_str(rest).unwrap());
            assert_eq!(got, want, "{raw}");
        }
    }
}
