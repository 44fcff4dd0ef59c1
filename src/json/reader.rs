//! Reads JSON of the kinds that outputs are made of, in less time than serde_json takes for it.
//!
//! Text without escapes, numbers, and lists and objects of them are read here. Whatever is rare is left to serde_json:
//! a value by handing it over, and JSON that is not well-formed, or not what is asked for, by an error that the caller
//! takes as a reason to start over with serde_json. So an error from here is never shown to anybody, and what is read here,
//! serde_json would read in the same way. Visitors may swallow errors (`serde_with::DefaultOnError` is one that does), so an
//! error is remembered.

use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::Error;

use super::{Cursor, RAW_VALUE};

/// Lists and objects within others that are read here; outputs are lists of objects or rows, seldom with more in them.
/// How much deeper it may get is up to serde_json.
const DEPTH: u32 = 16;

/// Digits that surely fit into 64 bits.
const DIGITS: usize = 18;

/// Reads a value as `serde_json::from_str` does.
pub(crate) fn from_str<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, Error> {
    quickly(PhantomData::<T>, json).or_else(|_| serde_json::from_str(json))
}

/// Reads a value, or says only that serde_json has to.
pub(crate) fn quickly<'de, T: DeserializeSeed<'de>>(
    seed: T,
    json: &'de str,
) -> Result<T::Value, Error> {
    let mut reader = Reader::new(json);
    let value = seed.deserialize(&mut reader)?;
    match reader.peek() {
        None if !reader.failed => Ok(value),
        _ => Err(reader.fail()),
    }
}

/// A deserializer of JSON text.
#[derive(Debug)]
struct Reader<'de> {
    json: &'de str,
    cursor: Cursor<'de>,
    depth: u32,
    /// An error was made, whoever has it now.
    failed: bool,
}

impl<'de> Reader<'de> {
    fn new(json: &'de str) -> Self {
        Self {
            json,
            cursor: Cursor::new(json.as_bytes()),
            depth: 0,
            failed: false,
        }
    }

    #[cold]
    fn fail(&mut self) -> Error {
        self.failed = true;
        Error::custom("not what is read here")
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.cursor.peek()
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> Result<(), Error> {
        self.cursor.eat(byte).ok_or_else(|| self.fail())
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        let rest = self
            .json
            .as_bytes()
            .get(self.cursor.at..)
            .unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.fail());
        }
        self.cursor.at += word.len();
        Ok(())
    }

    /// What stands between the quotes of a text without escapes, if it is one.
    #[inline]
    fn text(&mut self) -> Option<&'de str> {
        let start = self.cursor.at + 1;
        let mut end = start;
        let bytes = self.json.as_bytes();
        while let Some(eight) = bytes.get(end..)?.first_chunk() {
            let marked = special(u64::from_le_bytes(*eight));
            if marked != 0 {
                end += marked.trailing_zeros() as usize / 8;
                break;
            }
            end += 8;
        }
        while !matches!(bytes.get(end)?, b'"' | b'\\' | ..b' ') {
            end += 1;
        }
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.cursor.at = end + 1;
        self.json.get(start..end)
    }

    #[inline]
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.json.as_bytes();
        let start = self.cursor.at;
        let is_negative = bytes.get(start) == Some(&b'-');
        let first = start + usize::from(is_negative);
        let (mut value, point) = digits(bytes, first, 0).ok_or_else(|| self.fail())?;
        if point > first + 1 && bytes.get(first) == Some(&b'0') {
            return Err(self.fail());
        }
        let mut at = point;
        let mut places = 0;
        if bytes.get(at) == Some(&b'.') {
            (value, at) = digits(bytes, at + 1, value).ok_or_else(|| self.fail())?;
            places = at - point - 1;
        }
        let has_exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
        if has_exponent {
            let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
            let exponent = at + 1 + usize::from(signed);
            (_, at) = digits(bytes, exponent, 0).ok_or_else(|| self.fail())?;
            if at > exponent + 4 {
                // The standard library takes no account of how many digits there are then.
                return Err(self.fail());
            }
        }
        let fits = at - first <= DIGITS;
        if at == point && fits && (value != 0 || !is_negative) {
            self.cursor.at = at;
            return match is_negative {
                false => visitor.visit_u64(value),
                true => visitor.visit_i64(-value.cast_signed()),
            };
        }
        if at == point {
            // Too long, or minus zero.
            return self.hand_over(|json| json.deserialize_f64(visitor));
        }
        let number = match POWERS.get(places) {
            // Both are exact, so their quotient is the number that is nearest.
            Some(power) if fits && !has_exponent && value < 1 << 53 => {
                let number = value as f64 / power;
                if is_negative { -number } else { number }
            }
            _ => match self.json.get(start..at).unwrap_or_default().parse::<f64>() {
                Ok(number) if number.is_finite() => number,
                _ => return Err(self.fail()),
            },
        };
        self.cursor.at = at;
        visitor.visit_f64(number)
    }

    /// Lets serde_json read the value that starts here.
    #[cold]
    fn hand_over<T>(
        &mut self,
        read: impl FnOnce(
            &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
        ) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.peek();
        let start = self.cursor.at;
        self.cursor.skip().ok_or_else(|| self.fail())?;
        let value = self.json.get(start..self.cursor.at);
        let value = value.ok_or_else(|| self.fail())?;
        let mut json = serde_json::Deserializer::from_str(value);
        let value = read(&mut json).and_then(|value| json.end().map(|()| value));
        self.failed |= value.is_err();
        value
    }

    #[inline]
    fn value<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.peek().ok_or_else(|| self.fail())? {
            b'"' => match self.text() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => self.hand_over(|json| json.deserialize_any(visitor)),
            },
            b'-' | b'0'..=b'9' => self.number(visitor),
            b't' => {
                self.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.word("false")?;
                visitor.visit_bool(false)
            }
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            b'[' | b'{' if self.depth == DEPTH => Err(self.fail()),
            b'[' => self.nested(b']', |items| visitor.visit_seq(items)),
            b'{' => self.nested(b'}', |items| visitor.visit_map(items)),
            _ => Err(self.fail()),
        }
    }

    fn nested<T>(
        &mut self,
        close: u8,
        read: impl FnOnce(Items<'_, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.cursor.at += 1;
        self.depth += 1;
        let value = read(Items {
            reader: self,
            close,
            is_first: true,
        });
        self.depth -= 1;
        if value.is_err() {
            // This is somewhere within the list.
            self.failed = true;
            return value;
        }
        // Also refuses items that nobody asked for.
        self.eat(close)?;
        value
    }
}

/// Marks the bytes of a word that end a text or may not be in it as they are: quotes, backslashes and control characters.
/// Marks behind the first may be wrong.
#[inline]
fn special(word: u64) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let quote = zero(word ^ (EACH * b'"' as u64));
    let escape = zero(word ^ (EACH * b'\\' as u64));
    let control = word.wrapping_sub(EACH * b' ' as u64) & !word;
    (quote | escape | control) & (EACH << 7)
}

/// One or more digits appended to a number, and where they end. The number is right if it has no more than [`DIGITS`].
#[inline]
fn digits(json: &[u8], start: usize, before: u64) -> Option<(u64, usize)> {
    let (mut at, mut value) = (start, before);
    while let Some(digit) = json
        .get(at)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|digit| *digit < 10)
    {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (at > start).then_some((value, at))
}

/// The powers of ten that are exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// For visitors who want one kind of JSON, told by its first byte.
macro_rules! only {
    ($($first:pat => $($method:ident($($name:ident: $type:ty),*))*;)*) => {
        $($(#[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            $(let _ = $name;)*
            match self.peek() {
                Some($first) => self.value(visitor),
                _ => Err(self.fail()),
            }
        })*)*
    };
}

/// For visitors to whom serde_json gives more than one kind of JSON, or gives it in another way.
macro_rules! leave {
    ($($method:ident($($name:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.hand_over(|json| json.$method($($name,)* visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    only! {
        b't' | b'f' => deserialize_bool();
        b'"' => deserialize_char() deserialize_str() deserialize_string() deserialize_identifier();
        b'-' | b'0'..=b'9' => deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_f64();
        b'n' => deserialize_unit() deserialize_unit_struct(name: &'static str);
        b'[' => deserialize_seq() deserialize_tuple(length: usize)
            deserialize_tuple_struct(name: &'static str, length: usize);
        b'{' => deserialize_map();
        b'[' | b'{' => deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    leave! {
        deserialize_f32() deserialize_i128() deserialize_u128()
        deserialize_bytes() deserialize_byte_buf()
    }

    /// A name only, since serde_json has to count how deep it gets.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => self.hand_over(|json| json.deserialize_enum(name, variants, visitor)),
            _ => Err(self.fail()),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'[' | b'{') => self.hand_over(|json| IgnoredAny::deserialize(json))?,
            _ => self.value(IgnoredAny)?,
        };
        visitor.visit_unit()
    }

    /// For who takes what comes. What a number is to them depends on serde_json's features.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.hand_over(|json| json.deserialize_any(visitor)),
            _ => self.value(visitor),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            return self.hand_over(|json| json.deserialize_newtype_struct(name, visitor));
        }
        visitor.visit_newtype_struct(self)
    }
}

/// The elements of a list, or the members of an object.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    close: u8,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Steps to the next item, if there is one.
    #[inline]
    fn next(&mut self) -> Result<bool, Error> {
        match self.reader.peek() {
            Some(byte) if byte == self.close => Ok(false),
            Some(_) if std::mem::take(&mut self.is_first) => Ok(true),
            Some(b',') => {
                self.reader.cursor.at += 1;
                // If none follows, whoever reads it fails.
                Ok(true)
            }
            _ => Err(self.reader.fail()),
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        match self.next()? {
            true => seed.deserialize(&mut *self.reader).map(Some),
            false => Ok(None),
        }
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if !self.next()? {
            return Ok(None);
        }
        let text = match self.reader.peek() {
            Some(b'"') => self.reader.text(),
            _ => None,
        };
        let text = text.ok_or_else(|| self.reader.fail())?;
        let reader = &mut *self.reader;
        seed.deserialize(Key { text, reader }).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.eat(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

/// The key of a member. Keys that are more than text are left to serde_json.
struct Key<'a, 'de> {
    text: &'de str,
    reader: &'a mut Reader<'de>,
}

macro_rules! refuse {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(self.reader.fail())
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    refuse! {
        deserialize_bool deserialize_bytes deserialize_byte_buf deserialize_f32 deserialize_f64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            return Err(self.reader.fail());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        BorrowedStrDeserializer::new(self.text).deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the fields are compared as Debug shows them")]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
        quickly(PhantomData, json)
    }

    /// What is read here, serde_json reads in the same way. Says whether it was read here.
    fn agrees<T: DeserializeOwned + Debug>(json: &str) -> bool {
        let here = read::<T>(json);
        if let Ok(here) = &here {
            let there: T = serde_json::from_str(json).expect(json);
            // Also tells zeroes apart, and has all digits.
            assert_eq!(format!("{here:?}"), format!("{there:?}"), "{json}");
        }
        here.is_ok()
    }

    #[derive(Debug, Deserialize)]
    struct Name(String);

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Plain,
        With(u8),
        Fields { a: f64 },
    }

    #[derive(Debug, Deserialize)]
    struct All {
        #[serde(default)]
        flag: bool,
        small: Option<i8>,
        whole: Option<u64>,
        real: Option<f64>,
        single: Option<f32>,
        letter: Option<char>,
        name: Option<Name>,
        kind: Option<Kind>,
        wide: Option<i128>,
        any: Option<Value>,
        raw: Option<Box<RawValue>>,
        pair: Option<(u8, String)>,
        list: Option<Vec<f64>>,
        nothing: Option<()>,
        inner: Option<Box<All>>,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Deep {
        New(Box<Deeper>),
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Deeper {
        More(Deep),
        End(u8),
    }

    #[derive(Debug, Deserialize)]
    struct Usual {
        a: Option<f64>,
        b: String,
        #[serde(default)]
        c: Vec<i64>,
    }

    #[test]
    fn the_usual_is_read_here() {
        for json in [
            r#"[{"a":1.5,"b":"x"},{"b":"","a":null,"c":[1,-2,0]}]"#,
            r#" [ { "b" : "Zürich" , "a" : -0.1e-7 , "new" : {"x": [true, null, "\""]} } ] "#,
            r#"[{"a":12345678901234567890,"b":"long \u0041 \" text"}]"#,
            r#"[{"a":-0,"b":"a text of more than eight bytes, and an \\ at its end \\"}]"#,
            r#"[[1, "positions", [2]], [null, "as well"]]"#,
            "[]",
        ] {
            assert!(agrees::<Vec<Usual>>(json), "{json}");
            assert!(agrees::<Value>(json), "{json}");
            assert!(agrees::<Vec<Box<RawValue>>>(json), "{json}");
            assert!(agrees::<IgnoredAny>(json), "{json}");
        }
        for all in [
            r#"{"flag":true,"small":-7,"whole":7,"real":7,"single":0.1,"letter":"é","name":"x","kind":"plain"}"#,
            r#"{"kind":{"with":7},"wide":-170141183460469231731687303715884105728,"any":[1.50,{}],"raw": 1.50 }"#,
            r#"{"kind":{"fields":{"a":1}},"pair":[1,"x"],"list":[1,2.5],"nothing":null,"inner":{"small":null}}"#,
        ] {
            assert!(serde_json::from_str::<All>(all).is_ok(), "{all}");
            agrees::<All>(all);
        }
        assert_eq!(
            read::<Vec<Box<RawValue>>>("[ 1.50 ,[ ]]").unwrap()[0].get(),
            "1.50"
        );
    }

    #[test]
    fn what_is_not_well_formed_is_left_to_serde_json() {
        for json in [
            "",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1]]",
            "[1}",
            "{",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{a:1}"#,
            r#"["a]"#,
            "[\"a\nb\"]",
            "[01]",
            "[-]",
            "[-01]",
            "[1.]",
            "[.5]",
            "[1e]",
            "[1e+]",
            "[+1]",
            "[1e999]",
            "[0x1]",
            "[truth]",
            "[tru]",
            "[nul]",
            "[NaN]",
            r#"["\x"]"#,
            "[1.5.5]",
            "[1-1]",
        ] {
            assert!(serde_json::from_str::<Value>(json).is_err(), "{json}");
            assert!(read::<Value>(json).is_err(), "{json}");
            assert!(read::<Vec<f64>>(json).is_err(), "{json}");
            agrees::<IgnoredAny>(json);
        }
        assert!(
            read::<(u8,)>("[1,2]").is_err(),
            "an element that nobody asked for"
        );
    }

    #[test]
    fn who_asks_for_one_kind_gets_no_other() {
        /// Takes everything, whatever it asks for.
        #[derive(Debug)]
        struct Greedy<const ASK: usize>;

        impl<'de, const ASK: usize> Visitor<'de> for Greedy<ASK> {
            type Value = Self;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
                Ok(self)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
                Ok(self)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self, E> {
                Ok(self)
            }

            fn visit_unit<E>(self) -> Result<Self, E> {
                Ok(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self, A::Error> {
                Ok(self)
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self, A::Error> {
                Ok(self)
            }
        }

        impl<'de, const ASK: usize> Deserialize<'de> for Greedy<ASK> {
            fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                match ASK {
                    0 => json.deserialize_bool(Self),
                    1 => json.deserialize_u64(Self),
                    2 => json.deserialize_f64(Self),
                    3 => json.deserialize_string(Self),
                    4 => json.deserialize_char(Self),
                    5 => json.deserialize_identifier(Self),
                    6 => json.deserialize_unit(Self),
                    7 => json.deserialize_seq(Self),
                    8 => json.deserialize_tuple(0, Self),
                    9 => json.deserialize_map(Self),
                    10 => json.deserialize_struct("", &[], Self),
                    _ => json.deserialize_ignored_any(Self),
                }
            }
        }

        for json in ["[true]", "[7]", r#"["x"]"#, "[null]", "[[]]", "[{}]"] {
            let read = [
                agrees::<[Greedy<0>; 1]>(json),
                agrees::<[Greedy<1>; 1]>(json),
                agrees::<[Greedy<2>; 1]>(json),
                agrees::<[Greedy<3>; 1]>(json),
                agrees::<[Greedy<4>; 1]>(json),
                agrees::<[Greedy<5>; 1]>(json),
                agrees::<[Greedy<6>; 1]>(json),
                agrees::<[Greedy<7>; 1]>(json),
                agrees::<[Greedy<8>; 1]>(json),
                agrees::<[Greedy<9>; 1]>(json),
                agrees::<[Greedy<10>; 1]>(json),
                agrees::<[Greedy<11>; 1]>(json),
            ];
            assert!(read.contains(&true), "{json}");
        }
    }

    /// Swallows errors, as `serde_with::DefaultOnError` does.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Lenient<T>(Option<T>);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
        fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
            Ok(Self(T::deserialize(json).ok()))
        }
    }

    #[test]
    fn an_error_that_a_visitor_swallows_is_one_all_the_same() {
        for json in [
            "[1.5,]",
            "[[300]",
            "[[300,[5]]",
            "[[300],[5]]",
            "[1,[]]",
            r#"["x\u0041",]"#,
            r#"[{"a":1},]"#,
        ] {
            agrees::<Vec<Lenient<f64>>>(json);
            agrees::<Vec<Lenient<String>>>(json);
            agrees::<Vec<Lenient<Vec<u8>>>>(json);
            agrees::<Vec<Lenient<Vec<Lenient<u8>>>>>(json);
            agrees::<Lenient<Vec<BTreeMap<String, u8>>>>(json);
        }
        for json in [r#"{"1":1}"#, r#"{"x":1,}"#, r#"{"a":{"b":[1}}"#, "{1:1}"] {
            agrees::<BTreeMap<Lenient<u8>, u8>>(json);
            agrees::<BTreeMap<Lenient<String>, Lenient<u8>>>(json);
            agrees::<BTreeMap<String, Lenient<BTreeMap<String, Lenient<Vec<u8>>>>>>(json);
        }
    }

    #[test]
    fn keys_are_what_they_are_asked_for() {
        for json in [
            r#"{"1":1}"#,
            r#"{"true":1}"#,
            r#"{"x":1}"#,
            r#"{"plain":1}"#,
        ] {
            agrees::<BTreeMap<u8, u8>>(json);
            agrees::<BTreeMap<bool, u8>>(json);
            agrees::<BTreeMap<Option<String>, u8>>(json);
            agrees::<Vec<(Kind, u8)>>(json);
            agrees::<std::collections::HashMap<String, Kind>>(json);
        }
        assert!(agrees::<BTreeMap<Option<String>, u8>>(r#"{"x":1}"#));
    }

    #[test]
    fn exponents_may_be_as_long_as_they_like() {
        let tiny = format!("[0.{}1e10001]", "0".repeat(10_000));
        for json in [
            tiny.as_str(),
            "[0e99999]",
            "[1e-99999]",
            "[1e00000000000000000001]",
        ] {
            agrees::<Vec<f64>>(json);
            agrees::<Value>(json);
        }
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(agrees::<Value>(&nested(10)));
        (10..140).for_each(|depth| _ = agrees::<Value>(&nested(depth)));
        assert!(read::<Value>(&nested(100_000)).is_err());
        assert!(agrees::<IgnoredAny>(&nested(100_000)));
        let enums = |depth: usize| r#"{"new":"#.repeat(depth) + "1" + &"}".repeat(depth);
        (1..140).for_each(|depth| _ = agrees::<Deep>(&enums(depth)));
    }

    proptest! {
        #[test]
        fn numbers_are_read_to_the_bit(
            number in r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?",
            double in any::<f64>().prop_filter("JSON has no other", |double| double.is_finite()),
        ) {
            for json in [format!("[{number}]"), serde_json::to_string(&[double]).unwrap(), format!("[{double}]")] {
                let is_finite = serde_json::from_str::<Vec<f64>>(&json).is_ok();
                prop_assert_eq!(agrees::<Vec<f64>>(&json), is_finite);
                prop_assert_eq!(agrees::<Vec<Value>>(&json), is_finite);
                let _ = (agrees::<Vec<i64>>(&json), agrees::<Vec<u64>>(&json), agrees::<Vec<u8>>(&json));
                let _ = (agrees::<Vec<f32>>(&json), agrees::<Vec<i128>>(&json), agrees::<Vec<All>>(&json));
            }
        }

        #[test]
        fn texts_are_read_to_the_byte(texts in prop::collection::vec(r#"[a-z"\\\u{0}-\u{20}é😀]{0,20}"#, 0..4)) {
            let json = serde_json::to_string(&texts).unwrap();
            prop_assert!(agrees::<Vec<String>>(&json));
            prop_assert!(agrees::<Vec<Value>>(&json));
        }

        #[test]
        fn any_text_is_read_as_serde_json_reads_it_or_not_at_all(
            text in r#"[\[\]{}":,0-9.eE+\-a\\ ]{0,24}"#,
            object in r#"\{("(a|b|c|flag|small|whole|real|single|letter|kind|wide|any|raw|pair|list|nothing)":(1|-2|1\.5|null|true|"x"|"plain"|\[1,"x"\]|\[1\]|\{"with":7\}|\{\}),?){0,3}\}"#,
        ) {
            for json in [text.clone(), format!("[{text}]"), format!("[{{\"a\":{text}}}]"), object.clone(), format!("[{object}]")] {
                let _ = (agrees::<Value>(&json), agrees::<Vec<Usual>>(&json), agrees::<Vec<Value>>(&json));
                let _ = (agrees::<All>(&json), agrees::<IgnoredAny>(&json), agrees::<Vec<BTreeMap<String, f64>>>(&json));
                let _ = (agrees::<BTreeMap<String, Box<RawValue>>>(&json), agrees::<BTreeMap<u8, u8>>(&json));
            }
        }
    }
}
