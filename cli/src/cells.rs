//! Named cells as raw JSON: the outputs of a record, or its inputs.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::input::write_text;

/// The names of cells, which are the same from record to record.
pub(crate) type Names = Arc<Vec<String>>;

/// The cells of one record, each with its text as the service or the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells {
    names: Names,
    text: String,
    /// Where each cell ends in the text.
    ends: Vec<usize>,
}

impl Cells {
    /// The names of the cells, in their order.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The JSON of the cell at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&str> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(Range { start, end })
    }

    /// The JSON of the cell of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.at(self.names.iter().position(|known| known == name)?)
    }

    /// Each name with its JSON.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let cells = (0..self.ends.len()).filter_map(|place| self.at(place));
        self.names.iter().map(String::as_str).zip(cells)
    }

    /// The cells as a JSON object.
    pub(crate) fn to_object(&self) -> Box<RawValue> {
        let mut json = Vec::with_capacity(self.text.len() + 16 * self.names.len());
        json.push(b'{');
        for (name, cell) in self.iter() {
            if json.len() > 1 {
                json.push(b',');
            }
            write_text(name, &mut json);
            json.push(b':');
            json.extend_from_slice(cell.as_bytes());
        }
        json.push(b'}');
        let json = String::from_utf8(json).expect("made of texts");
        RawValue::from_string(json).expect("made of JSON")
    }
}

thread_local! {
    /// The names of the cells that were read last. The next record most probably has the same.
    static LAST: RefCell<Names> = RefCell::default();
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CellsVisitor)
    }
}

struct CellsVisitor;

impl<'de> Visitor<'de> for CellsVisitor {
    type Value = Cells;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the outputs of a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cells, A::Error> {
        let last = LAST.with(|last| Arc::clone(&last.borrow()));
        let mut text = String::with_capacity(16 * last.len());
        let mut ends = Vec::with_capacity(last.len());
        // Filled from the first name on that is another one than last time.
        let mut own: Option<Vec<String>> = None;
        while let Some(Name(name)) = map.next_key_seed(NameSeed {
            expected: last.get(ends.len()).filter(|_| own.is_none()),
        })? {
            match (name, &mut own) {
                (None, _) => {}
                (Some(name), Some(own)) => own.push(name),
                (Some(name), None) => {
                    let mut names = last[..ends.len()].to_vec();
                    names.push(name);
                    own = Some(names);
                }
            }
            text.push_str(map.next_value::<&'de RawValue>()?.get());
            ends.push(text.len());
        }
        let names = match own {
            Some(names) => Arc::new(names),
            None if ends.len() == last.len() => last,
            None => Arc::new(last[..ends.len()].to_vec()),
        };
        LAST.with(|last| last.borrow_mut().clone_from(&names));
        Ok(Cells { names, text, ends })
    }
}

/// A name; `None` if it is the expected one.
struct Name(Option<String>);

struct NameSeed<'a> {
    expected: Option<&'a String>,
}

impl<'de> serde::de::DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(match self.expected {
            Some(expected) if expected == name => None,
            _ => Some(name.to_owned()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_text_and_share_their_names() {
        let read = |json: &str| serde_json::from_str::<Cells>(json).unwrap();
        let shown = |cells: &Cells| {
            let cells = cells.iter().map(|(name, json)| format!("{name}={json}"));
            cells.collect::<Vec<_>>().join(" ")
        };
        let first = read(r#"{"a": 1.50, "b": "x"}"#);
        let second = read(r#"{"a": null, "b": [1, 2]}"#);
        assert_eq!(shown(&first), r#"a=1.50 b="x""#);
        assert_eq!(shown(&second), "a=null b=[1, 2]");
        assert!(Arc::ptr_eq(first.names(), second.names()));
        assert_eq!(shown(&read(r#"{"a": 1}"#)), "a=1");
        assert_eq!(shown(&read(r#"{"a": 1, "c": 2, "b": 3}"#)), "a=1 c=2 b=3");
        assert_eq!(shown(&read(r#"{"b": 1, "\u0061": 2}"#)), "b=1 a=2");
        assert_eq!(shown(&read("{}")), "");
        assert_eq!(second.get("b"), Some("[1, 2]"));
        assert_eq!(second.get("c"), None);
    }
}
