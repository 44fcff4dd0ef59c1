//! Entries as bytes of a format.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cells::{Cells, Names};
use crate::failure::Failure;
use crate::files::Format;
use crate::input::write_text;

/// The column with the number of the record, where records come in any order.
const RECORD: &str = "record";
/// The column with the error of a record that failed.
const ERROR: &str = "error";
/// What is appended to the name of an output that has the name of an input or of one of the above.
const OUTPUT_SUFFIX: &str = "_output";
/// Entries that wait for the first output, which names the columns.
const WAITING: usize = 10_000;

/// What is known of one record.
pub(crate) struct Entry<'a> {
    pub(crate) record: u64,
    /// `None` unless inputs are joined.
    pub(crate) inputs: Option<&'a Cells>,
    pub(crate) outcome: Result<&'a Cells, &'a str>,
}

/// Writes entries.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: Format,
    numbered: bool,
    /// The columns that the user wants.
    chosen: Vec<String>,
    state: EncoderState,
    /// Where each column of a table comes from, by the names that the cells had last.
    plan: Plan,
    waiting: Vec<Waiting>,
}

/// What a resumed run has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EncoderState {
    /// The columns of a table, once its header is written.
    columns: Option<Vec<String>>,
    /// The number of entries.
    pub(crate) entries: u64,
}

/// An entry that waits for the header.
#[derive(Debug)]
struct Waiting {
    record: u64,
    inputs: Option<Cells>,
    error: String,
}

impl Encoder {
    /// `numbered` entries have the number of their record.
    pub(crate) fn new(
        format: Format,
        numbered: bool,
        chosen: Vec<String>,
        state: EncoderState,
    ) -> Self {
        Self {
            format,
            numbered,
            chosen,
            state,
            plan: Plan::default(),
            waiting: Vec::new(),
        }
    }

    /// The state for a checkpoint; `None` while entries wait.
    pub(crate) fn state(&self) -> Option<&EncoderState> {
        self.waiting.is_empty().then_some(&self.state)
    }

    /// The number of entries that were handed in.
    pub(crate) fn entries(&self) -> u64 {
        self.state.entries + self.waiting.len() as u64
    }

    /// Appends an entry.
    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                out.extend_from_slice(if self.state.entries == 0 {
                    b"[\n"
                } else {
                    b",\n"
                });
                match entry.outcome {
                    Ok(_) => self.write_object(entry, out),
                    Err(_) => out.extend_from_slice(b"null"),
                }
                self.state.entries += 1;
                Ok(())
            }
            Format::Csv => self.write_row(entry, b',', out),
            Format::Tsv => self.write_row(entry, b'\t', out),
            // JSON lines; the others are made of them.
            Format::Jsonl | Format::Parquet | Format::Xlsx => {
                self.write_object(entry, out);
                out.push(b'\n');
                self.state.entries += 1;
                Ok(())
            }
        }
    }

    /// Appends what follows the last entry.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self.format {
            Format::Json if self.state.entries == 0 => out.extend_from_slice(b"[]\n"),
            Format::Json => out.extend_from_slice(b"\n]\n"),
            Format::Csv => self.write_waiting(None, b',', out)?,
            Format::Tsv => self.write_waiting(None, b'\t', out)?,
            Format::Jsonl | Format::Parquet | Format::Xlsx => {}
        }
        Ok(())
    }

    /// The entry as an object, with only the chosen members.
    fn write_object(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let mut member = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
            if !self.chosen.is_empty() && !self.chosen.iter().any(|chosen| chosen == name) {
                return;
            }
            out.push(if out.len() == start { b'{' } else { b',' });
            write_text(name, out);
            out.push(b':');
            write(out);
        };
        if self.numbered {
            member(RECORD, &|out| write_number(entry.record, out));
        }
        let inputs = entry.inputs.into_iter().flat_map(Cells::iter);
        for (name, json) in inputs {
            member(name, &|out| out.extend_from_slice(json.as_bytes()));
        }
        match entry.outcome {
            Ok(outputs) => {
                for (name, json) in outputs.iter() {
                    let write = |out: &mut Vec<u8>| out.extend_from_slice(json.as_bytes());
                    member(&self.output_name(name, entry.inputs), &write);
                }
            }
            Err(error) => member(ERROR, &|out| write_text(error, out)),
        }
        if out.len() == start {
            out.push(b'{');
        }
        out.push(b'}');
    }

    /// The name of an output, with a suffix if it means something else already.
    fn output_name<'a>(&self, name: &'a str, inputs: Option<&Cells>) -> Cow<'a, str> {
        let own = name == ERROR || (self.numbered && name == RECORD);
        match own || inputs.is_some_and(|inputs| inputs.get(name).is_some()) {
            true => Cow::Owned(format!("{name}{OUTPUT_SUFFIX}")),
            false => Cow::Borrowed(name),
        }
    }

    fn write_row(
        &mut self,
        entry: &Entry<'_>,
        delimiter: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.state.columns.is_none() {
            match entry.outcome {
                Ok(outputs) => self.write_waiting(Some((entry.inputs, outputs)), delimiter, out)?,
                Err(_) if self.waiting.len() >= WAITING => {
                    return Err(Failure::run(format!(
                        "the first {WAITING} records failed, so the columns of the output are not \
                         known; name them with --columns"
                    )));
                }
                Err(error) => {
                    self.waiting.push(Waiting {
                        record: entry.record,
                        inputs: entry.inputs.cloned(),
                        error: error.to_owned(),
                    });
                    return Ok(());
                }
            }
        }
        self.write_cells(entry, delimiter, out)
    }

    /// Writes the header, and what waits for it.
    fn write_waiting(
        &mut self,
        first: Option<(Option<&Cells>, &Cells)>,
        delimiter: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.state.columns.is_some() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (inputs, outputs) = match first {
            Some((inputs, outputs)) => (inputs, Some(outputs)),
            None => (
                waiting.first().and_then(|entry| entry.inputs.as_ref()),
                None,
            ),
        };
        let columns = self.table_columns(inputs, outputs)?;
        for (place, name) in columns.iter().enumerate() {
            if place > 0 {
                out.push(delimiter);
            }
            write_cell_text(name, delimiter, out);
        }
        out.push(b'\n');
        self.state.columns = Some(columns);
        for Waiting {
            record,
            inputs,
            error,
        } in &waiting
        {
            let entry = Entry {
                record: *record,
                inputs: inputs.as_ref(),
                outcome: Err(error),
            };
            self.write_cells(&entry, delimiter, out)?;
        }
        Ok(())
    }

    fn table_columns(
        &self,
        inputs: Option<&Cells>,
        outputs: Option<&Cells>,
    ) -> Result<Vec<String>, Failure> {
        let mut columns = Vec::new();
        columns.extend(self.numbered.then(|| RECORD.to_owned()));
        columns.extend(
            inputs
                .into_iter()
                .flat_map(|cells| cells.names().iter().cloned()),
        );
        for name in outputs.into_iter().flat_map(|cells| cells.names().iter()) {
            columns.push(self.output_name(name, inputs).into_owned());
        }
        columns.push(ERROR.to_owned());
        if self.chosen.is_empty() {
            return Ok(columns);
        }
        let known: BTreeSet<&String> = columns.iter().collect();
        match self.chosen.iter().find(|name| !known.contains(name)) {
            Some(name) if outputs.is_some() => Err(Failure::run(format!(
                "the output has no column `{name}` for --columns; there are {}",
                columns.join(", ")
            ))),
            _ => Ok(self.chosen.clone()),
        }
    }

    fn write_cells(
        &mut self,
        entry: &Entry<'_>,
        delimiter: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let columns = self.state.columns.as_deref().unwrap_or_default();
        let outputs = entry.outcome.ok();
        if !self.plan.is_for(entry.inputs, outputs) {
            self.plan = Plan::new(self, columns, entry.inputs, outputs)?;
        }
        for (place, origin) in self.plan.origins.iter().enumerate() {
            if place > 0 {
                out.push(delimiter);
            }
            let json = match origin {
                Origin::Record => {
                    write_number(entry.record, out);
                    continue;
                }
                Origin::Error => {
                    write_cell_text(entry.outcome.err().unwrap_or_default(), delimiter, out);
                    continue;
                }
                Origin::Nothing => continue,
                Origin::Input(place) => entry.inputs.and_then(|inputs| inputs.at(*place)),
                Origin::Output(place) => outputs.and_then(|outputs| outputs.at(*place)),
            };
            write_cell_json(json.unwrap_or("null"), delimiter, out);
        }
        out.push(b'\n');
        self.state.entries += 1;
        Ok(())
    }
}

/// Where each column of a table comes from.
#[derive(Debug, Default)]
struct Plan {
    inputs: Option<Names>,
    outputs: Option<Names>,
    origins: Vec<Origin>,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Record,
    Input(usize),
    Output(usize),
    Error,
    /// This record has no such cell.
    Nothing,
}

impl Plan {
    fn is_for(&self, inputs: Option<&Cells>, outputs: Option<&Cells>) -> bool {
        let same = |known: &Option<Names>, cells: Option<&Cells>| match (known, cells) {
            (Some(known), Some(cells)) => std::sync::Arc::ptr_eq(known, cells.names()),
            (None, None) => true,
            _ => false,
        };
        !self.origins.is_empty() && same(&self.inputs, inputs) && same(&self.outputs, outputs)
    }

    fn new(
        encoder: &Encoder,
        columns: &[String],
        inputs: Option<&Cells>,
        outputs: Option<&Cells>,
    ) -> Result<Self, Failure> {
        let chosen = !encoder.chosen.is_empty();
        let mut origins = vec![Origin::Nothing; columns.len()];
        let mut set = |name: &str, origin| -> Result<(), Failure> {
            match columns.iter().position(|column| column == name) {
                Some(place) => origins[place] = origin,
                None if chosen => {}
                None => {
                    return Err(Failure::run(format!(
                        "a later record has the column `{name}`, which the first one lacks, so the \
                         header of the output lacks it too; write JSON lines, or name the columns \
                         with --columns"
                    )));
                }
            }
            Ok(())
        };
        if encoder.numbered {
            set(RECORD, Origin::Record)?;
        }
        set(ERROR, Origin::Error)?;
        for (place, name) in inputs
            .into_iter()
            .flat_map(|it| it.names().iter())
            .enumerate()
        {
            set(name, Origin::Input(place))?;
        }
        for (place, name) in outputs
            .into_iter()
            .flat_map(|it| it.names().iter())
            .enumerate()
        {
            set(&encoder.output_name(name, inputs), Origin::Output(place))?;
        }
        Ok(Self {
            inputs: inputs.map(|cells| cells.names().clone()),
            outputs: outputs.map(|cells| cells.names().clone()),
            origins,
        })
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("a number is JSON, and memory takes it");
}

/// Appends the cell of a JSON value: texts without quotes, null as an empty cell, the rest as it is.
fn write_cell_json(json: &str, delimiter: u8, out: &mut Vec<u8>) {
    match json.as_bytes() {
        b"null" => {}
        [b'"', inner @ .., b'"'] => match inner.contains(&b'\\') {
            false => write_cell_text(&json[1..json.len() - 1], delimiter, out),
            true => {
                let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
                write_cell_text(&text, delimiter, out);
            }
        },
        [b'[' | b'{', ..] => write_cell_text(json, delimiter, out),
        other => out.extend_from_slice(other),
    }
}

/// Appends a cell, in quotes where it needs them.
fn write_cell_text(text: &str, delimiter: u8, out: &mut Vec<u8>) {
    let needs_quotes = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if !text.bytes().any(needs_quotes) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(json: &str) -> Cells {
        serde_json::from_str(json).unwrap()
    }

    /// Writes records with their inputs, and outputs or an error.
    fn write(encoder: &mut Encoder, entries: &[(u64, &str, Result<&str, &str>)]) -> String {
        let mut out = Vec::new();
        for (record, inputs, outcome) in entries {
            let inputs = (!inputs.is_empty()).then(|| cells(inputs));
            let outputs = outcome.map(cells);
            let outcome = match &outputs {
                Ok(outputs) => Ok(outputs),
                Err(error) => Err(*error),
            };
            let entry = Entry {
                record: *record,
                inputs: inputs.as_ref(),
                outcome,
            };
            encoder.write(&entry, &mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn encoder(format: Format, numbered: bool, chosen: &[&str]) -> Encoder {
        let chosen = chosen.iter().map(ToString::to_string).collect();
        Encoder::new(format, numbered, chosen, EncoderState::default())
    }

    const ENTRIES: [(u64, &str, Result<&str, &str>); 3] = [
        (1, r#"{"a": 1.50}"#, Err("too \"flat\"")),
        (
            0,
            r#"{"a": "x,y"}"#,
            Ok(r#"{"a": 2, "b": "p\nq", "error": null}"#),
        ),
        (
            2,
            r#"{"a": null}"#,
            Ok(r##"{"a": [1, 2], "b": true, "error": "#N/A"}"##),
        ),
    ];

    #[test]
    fn a_table_has_a_header_and_a_row_for_each_record() {
        let csv = write(&mut encoder(Format::Csv, true, &[]), &ENTRIES);
        assert_eq!(
            csv,
            "record,a,a_output,b,error_output,error\n\
             1,1.50,,,,\"too \"\"flat\"\"\"\n\
             0,\"x,y\",2,\"p\nq\",,\n\
             2,,\"[1, 2]\",true,#N/A,\n"
        );
        let tsv = write(&mut encoder(Format::Tsv, false, &["b", "a"]), &ENTRIES);
        assert_eq!(tsv, "b\ta\n\t1.50\n\"p\nq\"\tx,y\ntrue\t\n");
    }

    #[test]
    fn lines_and_arrays_have_an_entry_for_each_record() {
        let lines = write(&mut encoder(Format::Jsonl, true, &[]), &ENTRIES[..2]);
        assert_eq!(
            lines,
            "{\"record\":1,\"a\":1.50,\"error\":\"too \\\"flat\\\"\"}\n\
             {\"record\":0,\"a\":\"x,y\",\"a_output\":2,\"b\":\"p\\nq\",\"error_output\":null}\n"
        );
        let array = write(&mut encoder(Format::Json, false, &["b"]), &ENTRIES);
        assert_eq!(array, "[\nnull,\n{\"b\":\"p\\nq\"},\n{\"b\":true}\n]\n");
        assert_eq!(write(&mut encoder(Format::Json, false, &[]), &[]), "[]\n");
    }

    #[test]
    fn a_table_without_outputs_has_a_header_all_the_same() {
        let failed = [(0, "", Err("a")), (1, "", Err("b"))];
        let csv = write(&mut encoder(Format::Csv, true, &[]), &failed);
        assert_eq!(csv, "record,error\n0,a\n1,b\n");
        assert_eq!(write(&mut encoder(Format::Csv, false, &[]), &[]), "error\n");
    }

    #[test]
    fn unknown_and_late_columns_are_refused() {
        let outputs = cells(r#"{"b": 1}"#);
        let entry = Entry {
            record: 0,
            inputs: None,
            outcome: Ok(&outputs),
        };
        let error = encoder(Format::Csv, false, &["c"]).write(&entry, &mut Vec::new());
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("no column `c`") && error.contains("b, error"),
            "{error}"
        );

        let mut encoder = encoder(Format::Csv, false, &[]);
        encoder.write(&entry, &mut Vec::new()).unwrap();
        let late = cells(r#"{"b": 1, "d": 2}"#);
        let entry = Entry {
            record: 1,
            inputs: None,
            outcome: Ok(&late),
        };
        let error = encoder
            .write(&entry, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("the column `d`"), "{error}");
    }
}
