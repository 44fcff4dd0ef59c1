//! Reads JSON: one array, or one object a line.

use std::fmt;
use std::io::{BufRead, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Sink, Stop};

/// Sends one record a line. Empty lines are passed over.
pub(super) fn read_lines(mut text: impl BufRead, sink: &mut Sink) -> Result<(), Stop> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line).map_err(Stop::failed)? == 0 {
            return Ok(());
        }
        number += 1;
        let record = line.trim_ascii();
        match record.first() {
            None => {}
            Some(b'{') => match serde_json::from_slice(record) {
                Ok(record) => sink.raw_record(record)?,
                Err(error) => sink.bad(format!("line {number}: {error}"))?,
            },
            Some(_) => sink.bad(format!("line {number} is not a JSON object"))?,
        }
    }
}

/// Sends the elements of an array: rows below a header row, or objects.
pub(super) fn read_array(text: impl Read, sink: &mut Sink) -> Result<(), Stop> {
    let mut json = serde_json::Deserializer::from_reader(text);
    let mut stop = None;
    let elements = Elements {
        sink,
        stop: &mut stop,
    };
    let read = elements.deserialize(&mut json).and_then(|()| json.end());
    match (stop, read) {
        (Some(stop), _) => Err(stop),
        (None, Err(error)) => Err(Stop::failed(error)),
        (None, Ok(())) => Ok(()),
    }
}

struct Elements<'a> {
    sink: &'a mut Sink,
    /// Why to stop, if it is not the JSON's fault.
    stop: &'a mut Option<Stop>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array: a header row and rows, or a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut is_table = None;
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            let is_row = element.get().starts_with('[');
            let sent = match is_table {
                None if is_row => {
                    is_table = Some(true);
                    let columns = serde_json::from_str(element.get())
                        .map_err(|_| A::Error::custom("the header row is not a list of names"))?;
                    self.sink.begin_table(columns, None)
                }
                None => {
                    is_table = Some(false);
                    self.sink.raw_record(element)
                }
                Some(table) if table == is_row => self.sink.raw_record(element),
                Some(true) => self
                    .sink
                    .bad("the record is not a row, as others are".to_owned()),
                Some(false) => self
                    .sink
                    .bad("the record is not an object, as others are".to_owned()),
            };
            if let Err(stop) = sent {
                *self.stop = Some(stop);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
