//! The services that come with the emulator.

mod echo;
mod term_life;
mod volume_cylinder;

use crate::Service;

/// Their names and functions.
pub(crate) fn all() -> [(&'static str, Service); 3] {
    [
        ("my-folder/volume-cylinder", volume_cylinder::service()),
        ("my-folder/echo", echo::service()),
        ("my-folder/term-life", term_life::service()),
    ]
}
