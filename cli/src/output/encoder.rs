//! Entries as bytes of a format.

use serde::{Deserialize, Serialize};

use super::plan::{Cell, Plan, columns};
use crate::cells::{Cells, Names};
use crate::failure::Failure;
use crate::files::Format;
use crate::input::write_text;

/// Entries that wait for the first output, which names the columns.
const WAITING: usize = 10_000;

/// What is known of one record.
pub(crate) struct Entry<'a> {
    pub(crate) record: u64,
    /// `None` unless inputs are joined.
    pub(crate) inputs: Option<&'a Cells<'a>>,
    pub(crate) outcome: Result<&'a Cells<'a>, &'a str>,
}

/// Writes entries.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: Format,
    numbered: bool,
    /// The columns that the user wants.
    chosen: Vec<String>,
    state: EncoderState,
    /// The columns of the entries before, with outputs and with errors.
    plans: [Plan; 2],
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
    /// The names and the JSON of the inputs.
    inputs: Option<(Names, Vec<String>)>,
    error: String,
}

impl Waiting {
    fn inputs(&self) -> Option<Cells<'_>> {
        let (names, cells) = self.inputs.as_ref()?;
        let cells = cells.iter().map(String::as_str).collect();
        Some(Cells::new(Names::clone(names), cells))
    }
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
            plans: Default::default(),
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

    /// The entry as an object.
    fn write_object(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let plan = &mut self.plans[usize::from(entry.outcome.is_err())];
        if !plan.is_for(entry) {
            *plan = Plan::of_object(entry, self.numbered, &self.chosen);
        }
        out.push(b'{');
        for (place, (key, origin)) in plan.columns().iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            match origin.cell(entry) {
                Cell::Number(number) => write_number(number, out),
                Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
                Cell::Text(text) => write_text(text, out),
                Cell::Nothing => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
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
                    let own = |cells: &Cells<'_>| {
                        let json = cells.iter().map(|(_, json)| json.to_owned());
                        (Names::clone(cells.names()), json.collect())
                    };
                    self.waiting.push(Waiting {
                        record: entry.record,
                        inputs: entry.inputs.map(own),
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
        first: Option<(Option<&Cells<'_>>, &Cells<'_>)>,
        delimiter: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.state.columns.is_some() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let waiting_inputs = waiting.iter().find_map(Waiting::inputs);
        let (inputs, outputs) = match first {
            Some((inputs, outputs)) => (inputs, Some(outputs)),
            None => (waiting_inputs.as_ref(), None),
        };
        let columns = self.header(inputs, outputs)?;
        for (place, name) in columns.iter().enumerate() {
            if place > 0 {
                out.push(delimiter);
            }
            write_cell_text(name, delimiter, out);
        }
        out.push(b'\n');
        self.state.columns = Some(columns);
        for waiting in &waiting {
            let inputs = waiting.inputs();
            let entry = Entry {
                record: waiting.record,
                inputs: inputs.as_ref(),
                outcome: Err(&waiting.error),
            };
            self.write_cells(&entry, delimiter, out)?;
        }
        Ok(())
    }

    fn header(
        &self,
        inputs: Option<&Cells<'_>>,
        outputs: Option<&Cells<'_>>,
    ) -> Result<Vec<String>, Failure> {
        let all = columns(self.numbered, inputs, outputs, true).into_iter();
        let all: Vec<String> = all.map(|(name, _)| name).collect();
        if self.chosen.is_empty() {
            return Ok(all);
        }
        match self.chosen.iter().find(|name| !all.contains(name)) {
            Some(name) if outputs.is_some() => Err(Failure::run(format!(
                "the output has no column `{name}` for --columns; there are {}",
                all.join(", ")
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
        let plan = &mut self.plans[usize::from(entry.outcome.is_err())];
        if !plan.is_for(entry) {
            let header = self.state.columns.as_deref().unwrap_or_default();
            *plan = Plan::of_row(entry, self.numbered, &self.chosen, header)?;
        }
        for (place, (_, origin)) in plan.columns().iter().enumerate() {
            if place > 0 {
                out.push(delimiter);
            }
            match origin.cell(entry) {
                Cell::Number(number) => write_number(number, out),
                Cell::Json(json) => write_cell_json(json, delimiter, out),
                Cell::Text(text) => write_cell_text(text, delimiter, out),
                Cell::Nothing => {}
            }
        }
        out.push(b'\n');
        self.state.entries += 1;
        Ok(())
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
    use crate::cells::Splitter;

    /// Takes objects apart as those of one file.
    #[derive(Default)]
    struct Side(Splitter);

    impl Side {
        fn cells<'a>(&mut self, json: &'a str) -> Cells<'a> {
            let mut cells = Cells::default();
            self.0.object(json, &mut cells).unwrap();
            cells
        }
    }

    /// Writes records with their inputs, and outputs or an error.
    fn write(encoder: &mut Encoder, entries: &[(u64, &str, Result<&str, &str>)]) -> String {
        let mut out = Vec::new();
        let (mut of_inputs, mut of_outputs) = (Side::default(), Side::default());
        for (record, inputs, outcome) in entries {
            let inputs = (!inputs.is_empty()).then(|| of_inputs.cells(inputs));
            let outputs = outcome.map(|json| of_outputs.cells(json));
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
    fn no_two_columns_have_one_name() {
        let entries = [
            (
                0,
                r#"{"record": 1, "error": 2, "a": 3}"#,
                Ok(r#"{"a": 4, "a_output": 5, "record": 6}"#),
            ),
            (1, r#"{"record": 7, "error": 8, "a": 9}"#, Err("bad")),
        ];
        let csv = write(&mut encoder(Format::Csv, true, &[]), &entries);
        assert_eq!(
            csv,
            "record,record_input,error_input,a,a_output,a_output_output,record_output,error\n\
             0,1,2,3,4,5,6,\n1,7,8,9,,,,bad\n"
        );
        let lines = write(
            &mut encoder(Format::Jsonl, true, &["a_output", "error_input"]),
            &entries,
        );
        assert_eq!(
            lines,
            "{\"a_output\":4,\"error_input\":2}\n{\"error_input\":8}\n"
        );
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
        let outputs = Side::default().cells(r#"{"b": 1}"#);
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
        let late = Side::default().cells(r#"{"b": 1, "d": 2}"#);
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
