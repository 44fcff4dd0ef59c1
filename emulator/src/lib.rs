//! A local emulator of the Batches API.
