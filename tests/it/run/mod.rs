//! The managed run.

mod ends;
mod evidence;
mod pace;
mod promises;
