use alloc::borrow::Cow;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// What a client posted is no list of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPayload {
    /// It is empty.
    Missing,
    /// It is no JSON, or JSON of another form.
    Broken,
}

impl BadPayload {
    /// What SockJS servers answer, with the status 500.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Payload expected.",
            Self::Broken => "Broken JSON encoding.",
        }
    }
}

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for BadPayload {}

/// Gives each message of `text` to `each`: those of a list, or the one that `text` is. All of them, or none if anything is wrong.
///
/// # Errors
///
/// If `text` is empty, or neither a list of strings nor a string. A string with half of a surrogate pair is none.
pub fn messages(text: &str, mut each: impl FnMut(&str)) -> Result<(), BadPayload> {
    if text.is_empty() {
        return Err(BadPayload::Missing);
    }
    read(text, &mut |_| {})?;
    read(text, &mut each)
}

fn read(text: &str, each: &mut dyn FnMut(&str)) -> Result<(), BadPayload> {
    let mut json = serde_json::Deserializer::from_str(text);
    Payload(each).deserialize(&mut json).and_then(|()| json.end()).map_err(|_| BadPayload::Broken)
}

/// The list in what a form posts: its field `d`.
///
/// # Errors
///
/// If there is no such field, or nothing in it.
pub fn form_payload(body: &[u8]) -> Result<Cow<'_, str>, BadPayload> {
    let field = form_urlencoded::parse(body).find(|(name, _)| name == "d");
    field.map(|(_, value)| value).filter(|value| !value.is_empty()).ok_or(BadPayload::Missing)
}

/// A list of messages, or a message.
struct Payload<'f>(&'f mut dyn FnMut(&str));

/// A message.
struct Message<'f>(&'f mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Payload<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Payload<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings, or a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Message(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec;
    use alloc::vec::Vec;

    fn read(text: &str) -> Result<Vec<String>, BadPayload> {
        let mut read = Vec::new();
        let result = messages(text, |message| read.push(message.to_string()));
        assert!(result.is_ok() || read.is_empty(), "all or nothing");
        result.map(|()| read)
    }

    #[test]
    fn a_payload_is_a_list_of_messages_or_one() {
        for (text, expected) in [
            ("[]", vec![]),
            (" [ \"a\" , \"\" ] ", vec!["a", ""]),
            ("[\"\\u00e9\\ud83d\\ude00\",\"\\\"\"]", vec!["é😀", "\""]),
            ("\"a\"", vec!["a"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_brings_no_message_at_all() {
        for text in
            ["[\"x", "[\"a\",1]", "[\"a\",]", "[\"a\"]x", "[[\"a\"]]", "{}", "1", "null", "a", " ", "[\"\\ud800\"]", "[\"\n\"]", "x\"a\""]
        {
            assert_eq!(read(text), Err(BadPayload::Broken), "{text}");
        }
        assert_eq!(read(""), Err(BadPayload::Missing));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_protocol() {
        for (bad, text) in [(BadPayload::Missing, "Payload expected."), (BadPayload::Broken, "Broken JSON encoding.")] {
            assert_eq!((bad.as_str(), &*bad.to_string()), (text, text));
        }
    }

    #[test]
    fn a_form_has_it_in_a_field() {
        assert_eq!(form_payload(b"x=1&d=%5B%22a+%2b%22%5D").unwrap(), "[\"a +\"]");
        for form in ["", "d", "d=", "p=p", "%64d=1"] {
            assert_eq!(form_payload(form.as_bytes()), Err(BadPayload::Missing), "{form}");
        }
    }
}
