//! What `emulate` adds to the emulator.

mod expressions;

pub(crate) use self::expressions::Expressions;
