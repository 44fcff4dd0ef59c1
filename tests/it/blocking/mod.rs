//! The client without async: its verbs and its runs.

mod runs;
mod verbs;
