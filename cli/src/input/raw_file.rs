//! The bytes of an input, whatever it is: a file, a pipe, compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sink::Stop;
use crate::files::{self, Compression, STANDARD};

/// How far the file is read.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    read: Arc<AtomicU64>,
    /// The size of the file; `None` for a pipe.
    pub(super) size: Option<u64>,
}

impl Position {
    /// The share of the file that is read, from 0 to 1.
    pub(crate) fn share(&self) -> Option<f64> {
        let size = self.size.filter(|size| *size > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "a share for people")]
        let share = self.read.load(Ordering::Relaxed) as f64 / size as f64;
        Some(share.min(1.0))
    }
}

/// A file as it is on disk, or standard input.
pub(super) struct RawFile {
    file: Option<File>,
    compression: Compression,
    pub(super) position: Position,
}

impl RawFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        if path.as_os_str() == STANDARD {
            return Ok(Self {
                file: None,
                compression: Compression::None,
                position: Position { read, size: None },
            });
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self {
            file: Some(file),
            compression: files::compression(path).0,
            position: Position { read, size },
        })
    }

    /// The bytes, without their compression.
    fn bytes(self) -> Result<Box<dyn Read>, Stop> {
        let counted = Counted {
            inner: match self.file {
                Some(file) => Box::new(file),
                None => Box::new(io::stdin()),
            },
            read: self.position.read,
        };
        Ok(match self.compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(
                counted,
            ))),
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::new(counted).map_err(Stop::failed)?)
            }
        })
    }

    /// The bytes of a text in UTF-8.
    pub(super) fn text(self) -> Result<BufReader<Box<dyn Read>>, Stop> {
        let text = without_mark(self.bytes()?)?;
        Ok(BufReader::with_capacity(64 << 10, text))
    }

    /// The file, in a copy where it is a pipe or compressed: its readers begin at its end.
    pub(super) fn seekable(self) -> Result<File, Stop> {
        match self {
            Self {
                file: Some(file),
                compression: Compression::None,
                position: Position { size: Some(_), .. },
            } => Ok(file),
            other => {
                let mut copy = tempfile::tempfile().map_err(Stop::failed)?;
                io::copy(&mut other.bytes()?, &mut copy).map_err(Stop::failed)?;
                copy.rewind().map_err(Stop::failed)?;
                Ok(copy)
            }
        }
    }
}

/// The bytes of a text in UTF-8 without the byte order mark, with which Excel begins its files.
fn without_mark(mut text: Box<dyn Read>) -> Result<Box<dyn Read>, Stop> {
    // A pipe may give a byte at a time.
    let mut start = Vec::with_capacity(3);
    text.by_ref()
        .take(3)
        .read_to_end(&mut start)
        .map_err(Stop::failed)?;
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(Stop::failed("it is UTF-16; save it as UTF-8"));
    }
    if start == b"\xef\xbb\xbf" {
        start.clear();
    }
    Ok(Box::new(io::Cursor::new(start).chain(text)))
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn a_byte_order_mark_is_found_however_slowly_it_comes() {
        for (text, expected) in [
            ("\u{feff}a,b", "a,b"),
            ("\u{feff}", ""),
            ("a", "a"),
            ("", ""),
            ("\u{fefe}a", "\u{fefe}a"),
        ] {
            let mut read = String::new();
            let mut text = without_mark(Box::new(Slow(text.as_bytes()))).unwrap();
            text.read_to_string(&mut read).unwrap();
            assert_eq!(read, expected);
        }
        assert!(without_mark(Box::new(Slow(b"\xff\xfea\0"))).is_err());
    }
}
