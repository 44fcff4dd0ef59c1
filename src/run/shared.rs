//! The state that a run's driver and its consumer share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::delivery::{Delivery, QueuedResult};
use super::machine::{Event, Machine, Time};
use super::progress::{Progress, Rate};
use super::{error, log};
use crate::error::Error;

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) started: Instant,
    /// The number of records, if it is known.
    pub(super) total: Option<u64>,
    pub(super) service: Option<String>,
    pub(super) progress: watch::Sender<Progress>,
    /// Wakes the driver when the machine has handled an event of the consumer's.
    pub(super) changed: Notify,
    pub(super) consumer: AtomicWaker,
}

pub(super) struct State {
    pub(super) machine: Machine,
    /// The memory budget bounds it: every entry is charged there.
    pub(super) outbox: VecDeque<QueuedResult>,
    /// The ids of the batches, in order.
    pub(super) batches: Vec<String>,
    /// When the driver stopped.
    pub(super) ended_at: Option<Time>,
    /// The error that the stream ends with.
    pub(super) error: Option<Error>,
    /// The first record that was delivered without an output, and why it has none.
    pub(super) first_failure: Option<String>,
    /// Whether the end of the run was logged.
    end_is_logged: bool,
    rate: Rate,
}

impl Shared {
    pub(super) fn new(
        machine: Machine,
        total: Option<u64>,
        service: Option<String>,
        batch: Option<String>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                machine,
                outbox: VecDeque::new(),
                batches: batch.into_iter().collect(),
                ended_at: None,
                error: None,
                first_failure: None,
                end_is_logged: false,
                rate: Rate::default(),
            }),
            started: Instant::now(),
            total,
            service,
            progress: watch::Sender::new(Progress {
                total_records: total,
                ..Progress::default()
            }),
            changed: Notify::new(),
            consumer: AtomicWaker::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Time {
        self.started.elapsed()
    }

    /// An event from the consumer's side.
    pub(super) fn handle(&self, event: Event) {
        self.lock().machine.handle(self.now(), event);
        self.changed.notify_one();
        self.report();
    }

    /// Brings the progress up to date.
    pub(super) fn report(&self) {
        let progress = {
            let State { machine, rate, .. } = &mut *self.lock();
            Progress::new(machine, rate, self.total, self.now())
        };
        // Sent without the lock, since a reader may hold the old one and ask for the lock. So two
        // may come in the wrong order.
        self.progress.send_if_modified(|current| {
            let is_newer = progress.elapsed >= current.elapsed;
            if is_newer {
                *current = progress;
            }
            is_newer
        });
    }
}

impl State {
    /// Keeps the first failure for the error that the run may end with.
    pub(super) fn note_failure<O>(&mut self, delivery: &Delivery<O>) {
        if self.first_failure.is_none()
            && let Some((record, error)) = delivery.errors().next()
        {
            self.first_failure = Some(format!("record {record}: {error}"));
        }
    }

    /// Decides on the error and logs the end of the run, once: when the consumer has taken
    /// everything, or is gone.
    pub(super) fn conclude(&mut self) {
        if !std::mem::replace(&mut self.end_is_logged, true) {
            let batch = self.batches.last().map(String::as_str);
            // The last results may have ended the run after its driver had.
            if self.error.is_none() {
                let first = self.first_failure.as_deref();
                let totals = self.machine.totals();
                self.error = error::of_run(totals, batch, &BTreeMap::new(), None, first);
            }
            log::ended(&self.machine, batch, self.error.as_ref());
        }
    }
}
