//! What stands in the way of generating code, and where.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One thing that is wrong with the description.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Keys and indices from the top of the description.
    place: Vec<String>,
    /// The line of that place, from 1.
    line: usize,
    what: String,
}

/// All that is wrong with the description, as far as it can be told in one go.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// One problem of the text or of the whole, which has no place among the keys.
    pub(super) fn on_line(line: usize, what: impl Into<String>) -> Self {
        Self(vec![Problem {
            place: Vec::new(),
            line,
            what: what.into(),
        }])
    }

    pub(super) fn add(&mut self, place: &[String], what: impl Into<String>) {
        self.0.push(Problem {
            place: place.to_vec(),
            line: 1,
            what: what.into(),
        });
    }

    /// Goes on only if nothing is wrong so far.
    pub(super) fn or<T>(self, result: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(result)
        } else {
            Err(self)
        }
    }

    /// Looks up the lines in the text that the problems are about, and puts the problems in their order.
    pub(super) fn in_text(mut self, text: &str) -> Self {
        for problem in self.0.iter_mut().filter(|it| !it.place.is_empty()) {
            problem.line = line(text, &problem.place).unwrap_or(problem.line);
        }
        self.0.sort_by_key(|problem| problem.line);
        self
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problem {
    /// `LINE: PLACE: WHAT`; put the name of the file and a colon before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place.join("."))?;
        }
        f.write_str(&self.what)
    }
}

/// The line of the key or element at the place.
fn line(text: &str, place: &[String]) -> Option<usize> {
    let found = Seek(place).deserialize(serde_norway::Deserializer::from_str(text));
    Some(found.err()?.location()?.line())
}

/// Fails on purpose at a place in a YAML document: the reader's errors know their line, and nothing else does.
struct Seek<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place sought")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((name, below)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        let last = below.is_empty();
        while let Some(found) = map.next_key_seed(SeekKey { name, last })? {
            if found {
                return map.next_value_seed(Seek(below));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("not below here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some((index, below)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..index.parse().unwrap_or(0_usize) {
            elements.next_element::<IgnoredAny>()?;
        }
        elements.next_element_seed(Seek(below))?;
        Err(A::Error::custom("not below here"))
    }
}

/// Tells whether a key is the one sought, and fails if nothing is sought below it.
struct SeekKey<'a> {
    name: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if self.last && key == self.name {
            return Err(E::custom("here"));
        }
        Ok(key == self.name)
    }
}
