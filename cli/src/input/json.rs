//! Reads JSON: one array, or one object a line.

use std::fmt;
use std::io::{BufRead, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::objects::Objects;
use super::sink::{Sink, Stop};

/// Sends one record a line. Empty lines are passed over.
pub(super) fn read_lines(mut text: impl BufRead, sink: &mut Sink) -> Result<(), Stop> {
    let mut objects = Objects::default();
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
            Some(b'{') => objects.send(record, || format!("line {number}"), sink)?,
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

/// What the first element of an array says of the others.
enum Shape {
    /// Rows with so many cells.
    Table(usize),
    Objects(Objects),
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
        let Some(first) = elements.next_element::<Box<RawValue>>()? else {
            return Ok(());
        };
        let mut stopped = |stop| {
            *self.stop = Some(stop);
            A::Error::custom("stopped")
        };
        let mut shape = Shape::begin(&first, self.sink).map_err(&mut stopped)?;
        let mut record = u64::from(matches!(shape, Shape::Objects(_)));
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            shape
                .send(&element, record, self.sink)
                .map_err(&mut stopped)?;
            record += 1;
        }
        Ok(())
    }
}

impl Shape {
    fn begin(first: &RawValue, sink: &mut Sink) -> Result<Self, Stop> {
        if first.get().starts_with('[') {
            let columns: Vec<String> = serde_json::from_str(first.get())
                .map_err(|_| Stop::failed("its first row, the header, is not a list of names"))?;
            let cells = columns.len();
            sink.begin(columns, None)?;
            return Ok(Self::Table(cells));
        }
        let mut shape = Self::Objects(Objects::default());
        shape.send(first, 0, sink)?;
        Ok(shape)
    }

    fn send(&mut self, element: &RawValue, record: u64, sink: &mut Sink) -> Result<(), Stop> {
        let json = element.get();
        match self {
            Self::Table(columns) => match serde_json::from_str::<Vec<IgnoredAny>>(json) {
                Ok(cells) if cells.len() == *columns => sink.row(|row| {
                    row.extend_from_slice(json.as_bytes());
                    Ok(())
                }),
                Ok(cells) => {
                    let cells = cells.len();
                    sink.bad(format!(
                        "record {record} has {cells} cells for {columns} columns"
                    ))
                }
                Err(_) => sink.bad(format!("record {record} is not a row, as others are")),
            },
            Self::Objects(objects) if json.starts_with('{') => {
                objects.send(json.as_bytes(), || format!("record {record}"), sink)
            }
            Self::Objects(_) => sink.bad(format!("record {record} is not an object")),
        }
    }
}
