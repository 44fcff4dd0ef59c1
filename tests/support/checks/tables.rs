use arbitrary::{Result, Unstructured};
use cspark_batches::{Chunk, Chunker, ErrorKind, ExtraCells, Layout, MissingCells, Outputs};
use serde_json::value::RawValue;

use super::records::{Record, Value};

/// Checks that records of every shape, cut by every setting, are refused where they have to be, and
/// otherwise read back in their order and to the last digit.
pub(crate) fn tables(input: &[u8]) {
    // An error means that the input is used up, so there is nothing to check.
    let _ = check(&mut Unstructured::new(input));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let settings = Settings::made_of(input)?;
    let mut records = Vec::new();
    let alike = Record::made_of(input)?;
    while records.len() < 40 && !input.is_empty() {
        // Records that have nothing in common would be refused at the second one.
        records.push(match input.ratio(7u8, 8u8)? {
            true => alike.varied(input)?,
            false => Record::made_of(input)?,
        });
    }

    let chunks: Result<Vec<Chunk>, _> = settings.chunker().chunks(&records).collect();
    let expected = settings.expected(&records);
    match (&chunks, &expected) {
        (Err(error), _) => super::refused(error, ErrorKind::Input),
        (Ok(chunks), Some(_)) => assert!(chunks.iter().all(|chunk| chunk.records() > 0)),
        (Ok(chunks), None) => panic!("these are refused: {records:?}, not encoded: {chunks:?}"),
    }
    let (Ok(chunks), Some((header, expected))) = (&chunks, &expected) else {
        assert!(
            expected.is_none(),
            "{chunks:?}: {settings:?} of {records:?}"
        );
        return Ok(());
    };
    let mut read = Vec::new();
    for chunk in chunks {
        let rows: Vec<&RawValue> = serde_json::from_str(chunk.inputs()).expect("inputs are a list");
        let mut rows = rows.into_iter().map(RawValue::get);
        if let Some(header) = header {
            assert_eq!(rows.next(), Some(header.as_str()));
        }
        let before = read.len();
        read.extend(rows.map(str::to_owned));
        assert_eq!((read.len() - before) as u64, chunk.records());
    }
    assert_eq!(&read, expected);
    settings.check_sizes(chunks, expected);
    if header.is_some() {
        chunks.iter().for_each(same_as_objects);
    }
    Ok(())
}

/// Checks that rows of a table can come back as a table or as objects.
fn same_as_objects(chunk: &Chunk) {
    type Cells = std::collections::BTreeMap<String, Box<RawValue>>;
    let table: Outputs<Cells> = serde_json::from_str(chunk.inputs()).expect("a table");
    let objects = serde_json::to_string(table.as_slice()).expect("raw JSON can be written");
    let objects: Outputs<Cells> = serde_json::from_str(&objects).expect("objects");
    assert_eq!(format!("{objects:?}"), format!("{table:?}"));
    assert_eq!(table.as_slice().len() as u64, chunk.records());
}

#[derive(Debug)]
enum Size {
    Records(usize),
    Count(usize),
    Bytes(usize),
}

#[derive(Debug)]
struct Settings {
    size: Size,
    columns: Option<Vec<String>>,
    missing: MissingCells,
    extra: ExtraCells,
    layout: Layout,
    parameters: Option<Value>,
}

impl Settings {
    fn made_of(input: &mut Unstructured<'_>) -> Result<Self> {
        let size = match input.int_in_range(0..=9)? {
            9 => usize::MAX,
            _ => input.int_in_range(0..=300)?,
        };
        Ok(Self {
            size: match input.int_in_range(0..=2)? {
                0 => Size::Records(size),
                1 => Size::Count(size),
                _ => Size::Bytes(size),
            },
            columns: match input.ratio(1, 4)? {
                true => Some(super::records::names(input)?),
                false => None,
            },
            missing: *input.choose(&[MissingCells::Refuse, MissingCells::Null])?,
            extra: *input.choose(&[ExtraCells::Refuse, ExtraCells::Drop])?,
            layout: *input.choose(&[Layout::Table, Layout::Table, Layout::Objects])?,
            parameters: match input.ratio(1, 8)? {
                true => Some(Value::made_of(input, 2)?),
                false => None,
            },
        })
    }

    fn chunker(&self) -> Chunker {
        let chunker = Chunker::new();
        let chunker = match self.size {
            Size::Records(records) => chunker.chunk_size(records),
            Size::Count(chunks) => chunker.chunk_count(chunks),
            Size::Bytes(bytes) => chunker.chunk_bytes(bytes),
        };
        let chunker = match &self.columns {
            Some(columns) => chunker.columns(columns),
            None => chunker,
        };
        let chunker = match &self.parameters {
            Some(parameters) => chunker.parameters(parameters),
            None => chunker,
        };
        chunker
            .missing_cells(self.missing)
            .extra_cells(self.extra)
            .layout(self.layout)
    }

    /// Returns the header, if there is one, and each record as text; `None` if they have to be
    /// refused.
    fn expected(&self, records: &[Record]) -> Option<(Option<String>, Vec<String>)> {
        if matches!(
            self.size,
            Size::Records(0) | Size::Count(0) | Size::Bytes(0)
        ) {
            return None;
        }
        if let Some(parameters) = &self.parameters {
            let json = serde_json::to_string(parameters).ok()?;
            json.starts_with('{').then_some(())?;
        }
        if let Some(columns) = &self.columns {
            usable(columns)?;
        }
        if self.layout == Layout::Objects {
            let objects = records
                .iter()
                .map(|record| record.json().filter(|json| json.starts_with('{')));
            return Some((None, objects.collect::<Option<_>>()?));
        }
        let mut rest = records.iter();
        let columns = match (&self.columns, records.first()) {
            (Some(columns), _) => columns.clone(),
            (None, None) => return Some((None, Vec::new())),
            (None, Some(first)) => match first.cells()? {
                Cells::Named(cells) => cells.into_iter().map(|(name, _)| name).collect(),
                Cells::Row(cells) => {
                    rest.next();
                    let names = cells
                        .into_iter()
                        .map(|cell| serde_json::from_str(&cell?).ok());
                    names.collect::<Option<Vec<String>>>()?
                }
            },
        };
        usable(&columns)?;
        let rows = rest
            .map(|record| self.row(record, &columns))
            .collect::<Option<Vec<_>>>()?;
        let header = serde_json::to_string(&columns).expect("names can be written");
        Some((Some(header), rows))
    }

    fn row(&self, record: &Record, columns: &[String]) -> Option<String> {
        let cells = match record.cells()? {
            Cells::Row(cells) if cells.len() != columns.len() => return None,
            Cells::Row(cells) => cells.into_iter().collect::<Option<Vec<_>>>()?,
            Cells::Named(mut named) => {
                let known = |(name, _): &(String, Option<String>)| columns.contains(name);
                if self.extra == ExtraCells::Refuse && !named.iter().all(known) {
                    return None;
                }
                named.retain(known);
                let mut cells = Vec::new();
                for column in columns {
                    let mut found = named.iter().filter(|(name, _)| name == column);
                    cells.push(match (found.next(), found.next()) {
                        (Some((_, cell)), None) => cell.clone()?,
                        (None, _) if self.missing == MissingCells::Null => "null".to_owned(),
                        _ => return None,
                    });
                }
                cells
            }
        };
        Some(format!("[{}]", cells.join(",")))
    }

    fn check_sizes(&self, chunks: &[Chunk], records: &[String]) {
        let sizes: Vec<usize> = chunks
            .iter()
            .map(|chunk| chunk.records() as usize)
            .collect();
        match self.size {
            Size::Records(size) => {
                assert_eq!(sizes.len(), records.len().div_ceil(size));
                assert!(
                    sizes.iter().rev().skip(1).all(|it| *it == size),
                    "{sizes:?}"
                );
            }
            Size::Count(count) => {
                assert_eq!(sizes.len(), count.min(records.len()));
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                assert!(
                    least
                        .zip(most)
                        .is_none_or(|(least, most)| most - least <= 1),
                    "{sizes:?}"
                );
            }
            Size::Bytes(limit) => {
                let mut ended = 0;
                for chunk in chunks {
                    ended += chunk.records() as usize;
                    let length = chunk.inputs().len();
                    assert!(length <= limit || chunk.records() == 1, "{length} bytes");
                    // The next record would not have fitted.
                    assert!(
                        records
                            .get(ended)
                            .is_none_or(|next| length + 1 + next.len() > limit)
                    );
                }
            }
        }
    }
}

fn usable(columns: &[String]) -> Option<()> {
    let twice = |(at, name): (usize, &String)| columns[..at].contains(name);
    (!columns.is_empty() && !columns.iter().enumerate().any(twice)).then_some(())
}

/// The cells of a record. A cell that can't be written is `None`.
pub(super) enum Cells {
    Named(Vec<(String, Option<String>)>),
    Row(Vec<Option<String>>),
}
