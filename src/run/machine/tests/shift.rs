//! Moves a machine's times and numbers to where they are comparable.

use std::time::Duration;

use crate::run::machine::{RequestId, Time};

/// Where the present is moved to. It is more than any limit of the model after zero, so that all
/// that is longer ago is one.
pub(in crate::run::machine) const PRESENT: Time = Duration::from_secs(100);
/// The number of the next request.
pub(in crate::run::machine) const NEXT: RequestId = 1_000;

/// A step from one present to another.
#[derive(Clone, Copy, Debug)]
pub(in crate::run::machine) struct Shift {
    /// The present, and the number of the next request, until now.
    pub(in crate::run::machine) now: Time,
    pub(in crate::run::machine) next: RequestId,
}

impl Shift {
    /// Moves a time, and rounds what is to come up to whole seconds: timers are late.
    pub(in crate::run::machine) fn time(&self, time: &mut Time) {
        *time = match time.checked_sub(self.now) {
            Some(to_come) => {
                let seconds = to_come.as_secs() + u64::from(to_come.subsec_nanos() > 0);
                PRESENT + Duration::from_secs(seconds)
            }
            None => PRESENT.saturating_sub(self.now - *time),
        };
    }

    pub(in crate::run::machine) fn id(&self, id: &mut RequestId) {
        *id = (*id + NEXT).saturating_sub(self.next);
    }
}
