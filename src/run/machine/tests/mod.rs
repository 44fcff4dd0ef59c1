//! The machine against a model of the service.

mod cases;
mod endurance;
mod model;
mod random;
mod scale;
mod schedules;
mod service;
pub(super) mod shift;
mod sim;
mod speed;

/// Whether to print what happens: `RUN_TRACE=1`.
fn tracing() -> bool {
    static ON: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("RUN_TRACE").is_some())
}
