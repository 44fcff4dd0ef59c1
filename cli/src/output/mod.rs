//! Writes results: entries become bytes of a format ([`encoder`]), bytes go to a file under a
//! temporary name ([`file`]), and [`parquet`] is made of JSON lines at the end.

mod encoder;
mod file;
mod parquet;

pub(crate) use self::encoder::{Encoder, EncoderState, Entry};
pub(crate) use self::file::{OutputFile, complete, lock};
