//! The emulator as a program.
