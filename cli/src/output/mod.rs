//! Writes results: entries become bytes of a format ([`encoder`], by a [`plan`]), bytes go to a file under a
//! temporary name ([`file`]), and [`parquet`] is made of JSON lines at the end.

mod encoder;
mod file;
mod parquet;
mod plan;

pub(crate) use self::encoder::{Encoder, EncoderState, Entry};
pub(crate) use self::file::{OutputFile, complete, lock};
