//! The managed run: any amount of data through a batch, in bounded memory, with nothing lost.
//!
//! All decisions are taken by [`machine::Machine`], which is pure: events and the time go in, actions come out. What
//! performs the actions is a thin shell around it.

mod machine;
