//! A file that has its final name only when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs4::FileExt;

use super::parquet::write_parquet;
use crate::failure::Failure;
use crate::files::{self, Compression, STANDARD};

/// Bytes that are written at a time. With compression, each is a frame of its own, so that a file
/// can be cut off after any of them.
const BLOCK: usize = 256 << 10;

/// A file that is being written, or standard output.
#[derive(Debug)]
pub(crate) struct OutputFile {
    target: Target,
    compression: Compression,
    buffer: Vec<u8>,
    /// Bytes in the file.
    length: u64,
}

#[derive(Debug)]
enum Target {
    File {
        file: File,
        partial: PathBuf,
        name: PathBuf,
    },
    Stdout,
}

/// The name of a file until it is complete.
pub(crate) fn partial_name(name: &Path) -> PathBuf {
    files::beside(name, ".partial")
}

impl OutputFile {
    /// Opens the file under its temporary name, and keeps the first bytes of what is there.
    ///
    /// It is locked: another run that wants to write the same file fails.
    pub(crate) fn open(name: &Path, keep: u64) -> Result<Self, Failure> {
        if name.as_os_str() == STANDARD {
            return Ok(Self {
                target: Target::Stdout,
                compression: Compression::None,
                buffer: Vec::new(),
                length: 0,
            });
        }
        if name.is_dir() {
            return Err(Failure::file("cannot write", name, "it is a directory"));
        }
        let partial = partial_name(name);
        let cannot_write = |error| Failure::file("cannot write", &partial, error);
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(&partial)
            .map_err(cannot_write)?;
        lock(&file, &partial)?;
        let length = file.metadata().map_err(cannot_write)?.len();
        if length < keep {
            return Err(Failure::run(format!(
                "{} has {length} bytes, and the checkpoint counts on {keep}; delete the checkpoint \
                 and begin anew",
                partial.display()
            )));
        }
        file.set_len(keep).map_err(cannot_write)?;
        file.seek(SeekFrom::End(0)).map_err(cannot_write)?;
        Ok(Self {
            target: Target::File {
                file,
                partial,
                name: name.to_owned(),
            },
            compression: files::compression(name).0,
            buffer: Vec::with_capacity(BLOCK + BLOCK / 4),
            length: keep,
        })
    }

    /// Where the bytes are until the end, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.target {
            Target::File { partial, .. } => partial.display().to_string(),
            Target::Stdout => "standard output".to_owned(),
        }
    }

    /// The buffer to append to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer if it is large enough. Standard output gets all that is there.
    pub(crate) fn write_if_full(&mut self) -> Result<(), Failure> {
        let full = self.buffer.len() >= BLOCK || matches!(self.target, Target::Stdout);
        if full { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match self.compression {
            Compression::None => self.target.write(&self.buffer),
            Compression::Gzip => gzip(&self.buffer).and_then(|frame| self.target.write(&frame)),
            Compression::Zstd => {
                zstd::bulk::compress(&self.buffer, zstd::DEFAULT_COMPRESSION_LEVEL)
                    .and_then(|frame| self.target.write(&frame))
            }
        };
        self.buffer.clear();
        self.length += written
            .map_err(|error| Failure::run(format!("cannot write to {}: {error}", self.place())))?;
        Ok(())
    }

    /// Writes everything, so that it survives the end of the machine. Returns the file's length.
    pub(crate) fn sync(&mut self) -> Result<u64, Failure> {
        self.write()?;
        if let Target::File { file, partial, .. } = &self.target {
            file.sync_data()
                .map_err(|error| Failure::file("cannot write", partial, error))?;
        }
        Ok(self.length)
    }

    /// Writes everything, and gives the file its final name; see [`complete`].
    pub(crate) fn finish(mut self, parquet: Option<&[String]>) -> Result<(), Failure> {
        self.sync()?;
        match &self.target {
            Target::File { name, .. } => complete(name, parquet),
            Target::Stdout => Ok(()),
        }
    }
}

/// Gives a complete file its final name, if that is not done yet. With `parquet`, its JSON lines
/// become Parquet with these columns.
pub(crate) fn complete(name: &Path, parquet: Option<&[String]>) -> Result<(), Failure> {
    let partial = partial_name(name);
    if name.as_os_str() == STANDARD || !partial.exists() {
        return Ok(());
    }
    let cannot_write = |error| Failure::file("cannot write", name, error);
    match parquet {
        Some(columns) => {
            write_parquet(&partial, name, columns)?;
            fs::remove_file(&partial).map_err(cannot_write)
        }
        None => fs::rename(&partial, name).map_err(cannot_write),
    }
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        match self {
            Self::File { file, .. } => file.write_all(bytes)?,
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
            }
        }
        Ok(bytes.len() as u64)
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    frame.write_all(bytes)?;
    frame.finish()
}

/// Locks a file for this process; the lock ends with it, however it ends.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), Failure> {
    match FileExt::try_lock(file) {
        Ok(()) => Ok(()),
        Err(fs4::TryLockError::WouldBlock) => Err(Failure::run(format!(
            "another run is using {}; wait for its end",
            path.display()
        ))),
        Err(fs4::TryLockError::Error(error)) => Err(Failure::file("cannot lock", path, error)),
    }
}
