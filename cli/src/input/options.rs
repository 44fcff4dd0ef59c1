//! The options that say how to read a file of records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cell::CellType;
use crate::failure::Failure;
use crate::files::{self, Format};

/// Which input, and how to read it.
#[derive(Clone, Debug)]
pub(crate) struct InputOptions {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) delimiter: Option<u8>,
    pub(crate) sheet: Option<String>,
    pub(crate) types: BTreeMap<String, CellType>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct Reading {
    /// Format of the input, if its name does not say it
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// What separates the cells of a CSV file
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// Sheet of a workbook; the first unless set
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Columns of text, whatever their cells look like
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    text: Vec<String>,
    /// Types of columns: text, number, boolean or auto
    #[arg(long, value_name = "COLUMN=TYPE,...", value_delimiter = ',', value_parser = column_type)]
    types: Vec<(String, CellType)>,
}

fn column_type(text: &str) -> Result<(String, CellType), String> {
    let (column, kind) = text
        .rsplit_once('=')
        .ok_or("it is not COLUMN=TYPE, as zip=text")?;
    Ok((column.to_owned(), kind.parse()?))
}

impl Reading {
    /// How to read a file.
    pub(crate) fn options(&self, path: &Path) -> Result<InputOptions, Failure> {
        let format = files::format(path, self.format, "--format").map_err(Failure::usage)?;
        let is_table = matches!(format, Format::Csv | Format::Tsv);
        let delimiter = match self.delimiter {
            Some(_) if !is_table => {
                return Err(Failure::usage("--delimiter is for CSV and TSV inputs"));
            }
            Some(character) => Some(
                u8::try_from(character)
                    .ok()
                    .filter(u8::is_ascii)
                    .ok_or_else(|| {
                        Failure::usage(format!(
                            "--delimiter `{character}` is not an ASCII character"
                        ))
                    })?,
            ),
            None => None,
        };
        if self.sheet.is_some() && format != Format::Xlsx {
            return Err(Failure::usage("--sheet is for .xlsx inputs"));
        }
        let texts = self.text.iter().map(|name| (name.clone(), CellType::Text));
        let mut types = BTreeMap::new();
        for (name, kind) in texts.chain(self.types.iter().cloned()) {
            if types
                .insert(name.clone(), kind)
                .is_some_and(|before| before != kind)
            {
                return Err(Failure::usage(format!("column `{name}` has two types")));
            }
        }
        if !types.is_empty() && !is_table && format != Format::Xlsx {
            return Err(Failure::usage(
                "--text and --types are for CSV, TSV and .xlsx inputs; the others have types",
            ));
        }
        Ok(InputOptions {
            path: path.to_owned(),
            format,
            delimiter,
            sheet: self.sheet.clone(),
            types,
        })
    }
}
