//! Mistakes in a document, with their places.

use std::error::Error;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// One mistake in a document.
///
/// Displays as `LINE: PLACE: MESSAGE`; put the name of the file and a colon before it.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Keys and indices from the top of the document. Empty for a mistake in the whole.
    place: Vec<String>,
    line: usize,
    message: String,
}

impl Diagnostic {
    /// The line in the document, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The keys and indices that lead from the top of the document to the place.
    pub fn place(&self) -> &[String] {
        &self.place
    }

    /// The mistake, and what would be right.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place.join("."))?;
        }
        f.write_str(&self.message)
    }
}

/// The mistakes found in a document, in the order of their lines. Never empty when returned as an
/// error.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The mistakes in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// One mistake in the text or the document as a whole.
    pub(crate) fn on_line(line: usize, message: impl Into<String>) -> Self {
        Self(vec![Diagnostic {
            place: Vec::new(),
            line,
            message: message.into(),
        }])
    }

    /// One mistake at a place.
    #[cfg(feature = "services")]
    pub(crate) fn at(place: &[String], message: impl Into<String>) -> Self {
        let mut diagnostics = Self::default();
        diagnostics.add(place, message);
        diagnostics
    }

    pub(crate) fn add(&mut self, place: &[String], message: impl Into<String>) {
        self.0.push(Diagnostic {
            place: place.to_vec(),
            line: 1,
            message: message.into(),
        });
    }

    /// Returns the result if there is no mistake.
    pub(crate) fn or<T>(self, result: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(result)
        } else {
            Err(self)
        }
    }

    /// Looks up the line of each place in the text of the document, and sorts by line.
    pub(crate) fn in_text(mut self, text: &str) -> Self {
        for diagnostic in self.0.iter_mut().filter(|it| !it.place.is_empty()) {
            diagnostic.line = line(text, &diagnostic.place).unwrap_or(diagnostic.line);
        }
        self.0.sort_by_key(|diagnostic| diagnostic.line);
        self
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, diagnostic) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for Diagnostics {}

/// The line of the key or element at the place.
fn line(text: &str, place: &[String]) -> Option<usize> {
    let found = Seek(place).deserialize(serde_norway::Deserializer::from_str(text));
    Some(found.err()?.location()?.line())
}

/// Fails on purpose at a place in a YAML or JSON document: only the reader's errors know the line.
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

/// Reads whether a key is the one sought. Fails at the key if nothing is sought below it.
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

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        if self.last && key == self.name {
            return Err(E::custom("here"));
        }
        Ok(key == self.name)
    }
}
