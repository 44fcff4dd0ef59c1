//! The formats of files, told by their names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// The format of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Cells with commas between them, below a header row
    Csv,
    /// Cells with tabs between them, below a header row
    Tsv,
    /// One array: a header row and rows, or a list of objects
    Json,
    /// One object a line
    #[value(alias = "ndjson")]
    Jsonl,
    /// Apache Parquet
    Parquet,
    /// A sheet of an Excel workbook; as an input only
    Xlsx,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The name for standard input and output.
pub(crate) const STANDARD: &str = "-";

/// The name of a file that stands beside another: the same name with a suffix.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The compression of a file by its name, and the rest of the name.
pub(crate) fn compression(path: &Path) -> (Compression, &Path) {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    let compression = match suffix.map(str::to_ascii_lowercase).as_deref() {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => return (Compression::None, path),
    };
    (compression, Path::new(path.file_stem().unwrap_or_default()))
}

/// The format of a file: the one that is asked for, or else the one of its name.
pub(crate) fn format(path: &Path, asked: Option<Format>, option: &str) -> Result<Format, String> {
    if let Some(format) = asked {
        return Ok(format);
    }
    let (_, name) = compression(path);
    let suffix = name.extension().and_then(|suffix| suffix.to_str());
    match suffix.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("tsv" | "tab") => Ok(Format::Tsv),
        Some("json") => Ok(Format::Json),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        Some("parquet") => Ok(Format::Parquet),
        Some("xlsx" | "xlsm") => Ok(Format::Xlsx),
        _ => Err(format!(
            "the name {} does not tell the format; say it with {option}: csv, tsv, json, jsonl, \
             parquet or xlsx",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_format_and_compression() {
        let of = |name: &str| {
            (
                format(Path::new(name), None, "--format").ok(),
                compression(Path::new(name)).0,
            )
        };
        assert_eq!(of("a.csv"), (Some(Format::Csv), Compression::None));
        assert_eq!(
            of("b/a.NDJSON.gz"),
            (Some(Format::Jsonl), Compression::Gzip)
        );
        assert_eq!(
            of("a.b.parquet.zst"),
            (Some(Format::Parquet), Compression::Zstd)
        );
        assert_eq!(of("a"), (None, Compression::None));
        assert_eq!(of("a.gz"), (None, Compression::Gzip));
        assert_eq!(
            format(Path::new("-"), Some(Format::Tsv), "--format"),
            Ok(Format::Tsv)
        );
    }
}
