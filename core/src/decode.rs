use crate::scan::{self, Kind};
use crate::{Dialect, Json, json};
use alloc::string::{String, ToString};
use core::fmt;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, Visitor};

/// A value that does not fit the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where in the JSON, as in `items[2].price`; empty for the value as a whole.
    pub path: String,
    /// What was wrong there.
    pub message: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "`{}`: {}", self.path, self.message) }
    }
}

impl core::error::Error for DecodeError {}

/// Decodes the params of a request.
///
/// In the Kurento dialect a scalar or an array comes wrapped as `{"value":…}` (PROTOCOL 2): a `T` that asks for one gets it. Absent params decode as
/// `()`, as `None`, and as a struct whose members all have defaults.
///
/// # Errors
///
/// If the params do not fit `T`; the error names the member.
pub fn decode_params<T: DeserializeOwned>(params: Option<&Json<'_>>, dialect: Dialect) -> Result<T, DecodeError> {
    let unwrap = match dialect {
        Dialect::Kurento => Unwrap::Value,
        Dialect::Strict => Unwrap::Never,
    };
    decode(params.map_or("null", Json::as_str), unwrap)
}

/// The value that a Kurento peer has boxed, because its params and results must be objects: `{"value":…}` with a scalar or an array in it and nothing beside it (PROTOCOL
/// 2). Anything else comes back as it is. For handlers that take params of any kind; [`decode_params`] unboxes by the type that is asked for.
#[must_use]
pub fn unbox<'a>(json: Json<'a>, dialect: Dialect) -> Json<'a> {
    let boxed = match dialect {
        Dialect::Kurento => json::only_member_named(json.as_str(), "value"),
        Dialect::Strict => None,
    };
    match boxed.filter(|value| scan::kind_of(value) != Kind::Object).map(String::from) {
        Some(value) => Json::trusted(value),
        None => json,
    }
}

/// Decodes the result of a call.
///
/// In the Kurento dialect a result that is no object comes wrapped (PROTOCOL 2): a `T` that asks for a scalar or an array gets the member `value`, or the only
/// member if there is no `value`.
///
/// # Errors
///
/// If the result does not fit `T`; the error names the member.
pub fn decode_result<T: DeserializeOwned>(result: &Json<'_>, dialect: Dialect) -> Result<T, DecodeError> {
    let unwrap = match dialect {
        Dialect::Kurento => Unwrap::ValueOrOnly,
        Dialect::Strict => Unwrap::Never,
    };
    decode(result.as_str(), unwrap)
}

fn decode<T: DeserializeOwned>(raw: &str, unwrap: Unwrap) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(Typed { raw, unwrap }).map_err(|error| {
        let path = error.path().to_string();
        DecodeError { path: if path == "." { String::new() } else { path }, message: json::without_position(error.inner()) }
    })
}

#[derive(Clone, Copy)]
enum Unwrap {
    Never,
    Value,
    ValueOrOnly,
}

/// Deserializes the outermost value by what the type asks for, as Kurento's `JsonUtils` does by reflection.
struct Typed<'de> {
    raw: &'de str,
    unwrap: Unwrap,
}

impl<'de> Typed<'de> {
    fn plain(&self) -> &'de str {
        if scan::kind_of(self.raw) != Kind::Object {
            return self.raw;
        }
        match self.unwrap {
            Unwrap::Never => None,
            Unwrap::Value => json::member(self.raw, "value"),
            Unwrap::ValueOrOnly => json::member(self.raw, "value").or_else(|| json::only_member(self.raw)),
        }
        .unwrap_or(self.raw)
    }

    /// An enum with data is an object with one member itself: only `value` is a box.
    fn boxed(&self) -> &'de str {
        match self.unwrap {
            Unwrap::Never => None,
            Unwrap::Value | Unwrap::ValueOrOnly => json::member(self.raw, "value"),
        }
        .unwrap_or(self.raw)
    }

    fn object(&self) -> &'de str {
        if self.raw == "null" { "{}" } else { self.raw }
    }
}

macro_rules! forward {
    ($source:ident: $($method:ident($($arg:ident: $ty:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value, Self::Error> {
            let mut json = serde_json::Deserializer::from_str(self.$source());
            json.$method($($arg,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Typed<'de> {
    type Error = serde_json::Error;

    forward! { plain:
        deserialize_bool(); deserialize_char(); deserialize_str(); deserialize_string(); deserialize_bytes(); deserialize_byte_buf();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_identifier();
        deserialize_seq(); deserialize_tuple(len: usize); deserialize_tuple_struct(name: &'static str, len: usize);
    }

    forward! { boxed:
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    forward! { object:
        deserialize_map(); deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        serde_json::Deserializer::from_str(self.raw).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        // Absent params of a Kurento client are `{}`, and a null comes in a box.
        let empty = match self.unwrap {
            Unwrap::Never => false,
            Unwrap::Value | Unwrap::ValueOrOnly => {
                json::is_empty(self.raw) || (self.plain() == "null" && json::only_member(self.raw).is_some())
            }
        };
        if self.raw == "null" || empty { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        // Whoever asks for nothing is content with anything: the empty answer of Kurento is `{"value":""}`.
        self.deserialize_ignored_any(IgnoredAny)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        serde_json::Deserializer::from_str(self.raw).deserialize_ignored_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use serde::Deserialize;

    fn params<T: DeserializeOwned>(raw: &str, dialect: Dialect) -> Result<T, String> {
        decode_params(Some(&Json::parse(raw).unwrap()), dialect).map_err(|e| e.to_string())
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Add {
        a: i32,
        #[serde(default)]
        b: Vec<i32>,
    }

    #[test]
    fn an_error_names_the_member() {
        assert_eq!(params::<Add>(r#"{"a":"x"}"#, Dialect::Strict).unwrap_err(), "`a`: invalid type: string \"x\", expected i32");
        assert_eq!(params::<Add>(r#"{"a":1,"b":[1,null]}"#, Dialect::Kurento).unwrap_err(), "`b[1]`: invalid type: null, expected i32");
        assert_eq!(params::<Add>("{}", Dialect::Strict).unwrap_err(), "missing field `a`");
    }

    #[test]
    fn kurento_values_are_unwrapped_by_what_is_asked_for() {
        assert_eq!(params::<i32>(r#"{"value":5}"#, Dialect::Kurento), Ok(5));
        assert_eq!(params::<Vec<i32>>(r#"{"value":[5]}"#, Dialect::Kurento), Ok(Vec::from([5])));
        assert_eq!(params::<Option<String>>(r#"{"value":"x"}"#, Dialect::Kurento), Ok(Some("x".into())));
        assert!(params::<i32>(r#"{"value":5}"#, Dialect::Strict).is_err());
        assert!(params::<i32>(r#"{"other":5}"#, Dialect::Kurento).is_err());
        assert_eq!(decode_result::<i32>(&Json::parse(r#"{"other":5}"#).unwrap(), Dialect::Kurento), Ok(5));
    }

    #[test]
    fn a_box_is_opened_if_there_is_nothing_else_in_it() {
        let open = |text| unbox(Json::parse(text).unwrap(), Dialect::Kurento).into_owned();
        for (boxed, want) in [
            (r#"{"value":[1]}"#, "[1]"),
            (r#"{"value":{"a":1}}"#, r#"{"value":{"a":1}}"#),
            (r#"{"value":1,"b":2}"#, r#"{"value":1,"b":2}"#),
            (r#"{"b":2,"value":1}"#, r#"{"b":2,"value":1}"#),
            (r#"{"only":1}"#, r#"{"only":1}"#),
            (r#"{"valu\u0065":1}"#, "1"),
            ("{}", "{}"),
        ] {
            assert_eq!(open(boxed).as_str(), want);
        }
        assert_eq!(open("5").as_str(), "5");
    }

    #[test]
    fn options_and_enums_come_out_of_their_boxes() {
        #[derive(Deserialize, Debug, PartialEq)]
        enum Shape {
            Point,
            Circle { r: u8 },
        }
        let result = |text: &str| decode_result::<Option<i32>>(&Json::parse(text).unwrap(), Dialect::Kurento);
        assert_eq!((result(r#"{"value":null}"#), result(r#"{"value":5}"#), result("{}")), (Ok(None), Ok(Some(5)), Ok(None)));
        assert_eq!(params::<Option<i32>>("{}", Dialect::Kurento), Ok(None));
        for (text, shape) in [(r#"{"value":"Point"}"#, Shape::Point), (r#"{"Circle":{"r":1}}"#, Shape::Circle { r: 1 })] {
            assert_eq!(decode_result::<Shape>(&Json::parse(text).unwrap(), Dialect::Kurento), Ok(shape));
        }
    }

    #[test]
    fn absent_params_are_nothing_or_defaults() {
        #[derive(Deserialize, Debug, PartialEq, Default)]
        #[serde(default)]
        struct Page {
            from: u32,
        }
        assert_eq!(decode_params::<()>(None, Dialect::Strict), Ok(()));
        assert_eq!(decode_params::<Page>(None, Dialect::Strict), Ok(Page::default()));
        assert_eq!(decode_params::<Option<i32>>(None, Dialect::Kurento), Ok(None));
        assert!(decode_params::<i32>(None, Dialect::Kurento).is_err());
    }
}
