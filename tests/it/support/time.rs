//! Simulated time, for tests over real sockets.
//!
//! With a paused clock tokio jumps to the next timer whenever all tasks wait, also when they wait
//! for a response that is on its way: a request would time out before its response is read. So the
//! tests move the paused clock themselves, in steps, and sockets are looked at several times in a
//! step.

use std::time::Duration;

use tokio::task::JoinHandle;

/// Looks at the sockets in one step of the clock. A request and its response take a few.
const LOOKS: usize = 4;

/// Moves tokio's clock while it exists, and with it the emulator's, if that is in the same runtime.
#[must_use = "time stands still when this is dropped"]
pub(crate) struct SimulatedTime(JoinHandle<()>);

impl SimulatedTime {
    /// Pauses the clock of this runtime, which has to be a current-thread runtime, and moves it by
    /// `step` at a time. Timers fire up to one step late.
    pub(crate) fn start(step: Duration) -> Self {
        tokio::time::pause();
        Self(tokio::spawn(async move {
            loop {
                // While this task can run, tokio does not move the clock by itself.
                for _ in 0..LOOKS {
                    tokio::task::yield_now().await;
                }
                tokio::time::advance(step).await;
            }
        }))
    }
}

impl Drop for SimulatedTime {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for this, but not longer than so in tokio's time.
pub(crate) async fn within<T>(limit: Duration, future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(limit, future)
        .await
        .unwrap_or_else(|_| panic!("not done after {} s", limit.as_secs()))
}
